package operator

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Config is containerd's configuration as it is on disk.
type Config struct {
	File string `json:"file"`
	// Found tells whether there is such a file. containerd needs none.
	Found bool `json:"found"`
	// Version is that of the file's form: 2 up to containerd 1.7, then 3, then 4.
	Version int `json:"version,omitempty"`
	// Imports are the files that it takes in, as found.
	Imports []string `json:"imports,omitempty"`
	// Runtimes are the CRI's that lead to this shim.
	Runtimes []Runtime `json:"runtimes,omitempty"`
	// Problem is why the configuration could not be read in full.
	Problem string `json:"problem,omitempty"`
}

// Runtime is one that the configuration offers, as a RuntimeClass's handler.
type Runtime struct {
	Name string `json:"name"`
	// File is where it is defined.
	File string `json:"file"`
	// SystemdCgroup has cgroups made by systemd.
	SystemdCgroup bool `json:"systemdCgroup"`
}

// configFile is what matters here of a file of containerd's.
type configFile struct {
	Version int            `toml:"version"`
	Imports []string       `toml:"imports"`
	State   string         `toml:"state"`
	Plugins map[string]any `toml:"plugins"`
}

// readConfig reads the file and all that it imports.
func readConfig(file string) Config {
	c := Config{File: file}
	var problems []error
	pending := []string{file}
	seen := make(map[string]bool)
	for len(pending) > 0 {
		next := pending[0]
		pending = pending[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		parsed, err := parseConfig(next)
		if next == file && errors.Is(err, fs.ErrNotExist) {
			return c
		}
		if err != nil {
			problems = append(problems, err)
		}
		pending = append(pending, c.take(next, parsed)...)
	}
	if err := errors.Join(problems...); err != nil {
		c.Problem = err.Error()
	}
	return c
}

// take adds one file's part, and returns the files that it imports.
func (c *Config) take(file string, part configFile) []string {
	if file == c.File {
		c.Found, c.Version = true, part.Version
	} else {
		c.Imports = append(c.Imports, file)
	}
	for _, r := range part.runtimes() {
		r.File = file
		c.Runtimes = append(c.Runtimes, r)
	}
	return resolveImports(file, part.Imports)
}

func parseConfig(file string) (configFile, error) {
	var part configFile
	text, err := os.ReadFile(file)
	if err == nil {
		err = toml.Unmarshal(text, &part)
	}
	if err != nil {
		return configFile{}, fmt.Errorf("cannot read %s: %w", file, err)
	}
	return part, nil
}

// resolveImports names the files that are imported, the way containerd does:
// relative to the importing file, with patterns.
func resolveImports(file string, imports []string) []string {
	var files []string
	for _, name := range imports {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		if !strings.Contains(name, "*") {
			files = append(files, filepath.Clean(name))
			continue
		}
		// A pattern that is none matches nothing.
		matches, _ := filepath.Glob(name)
		files = append(files, matches...)
	}
	return files
}

// runtimes are those that lead to this shim, by type or by the program's path.
func (f configFile) runtimes() []Runtime {
	var list []Runtime
	all := table(table(table(f.Plugins, criPlugin(f.Version)), "containerd"), "runtimes")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := table(all, name)
		path, _ := r["runtime_path"].(string)
		if r["runtime_type"] != runtimeType && filepath.Base(path) != shimName {
			continue
		}
		systemd, _ := table(r, "options")["SystemdCgroup"].(bool)
		list = append(list, Runtime{Name: name, SystemdCgroup: systemd})
	}
	return list
}

// criPlugin is the plugin that has the CRI's runtimes in a file of this version.
// A file without a version is of the first.
func criPlugin(version int) string {
	switch cmp.Or(version, 1) {
	case 1:
		return "cri"
	case 2:
		return "io.containerd.grpc.v1.cri"
	default:
		return "io.containerd.cri.v1.runtime"
	}
}

// table is a table in a table, empty if it is not there or something else.
func table(t map[string]any, name string) map[string]any {
	sub, _ := t[name].(map[string]any)
	return sub
}
