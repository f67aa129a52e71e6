package operator

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// configPart is one file of the stage's containerd configuration.
type configPart struct {
	configFile
	path string // as seen from inside the stage
}

// readParts reads containerd's main file, if there is one, and all that it imports.
// What can't be read is left out: doctor reports it.
func (s stage) readParts(main string) []configPart {
	var parts []configPart
	pending := []string{main}
	seen := make(map[string]bool)
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		path, err := s.path(name)
		if err != nil || seen[name] {
			continue
		}
		seen[name] = true
		parsed, err := parseConfig(path)
		if name == main && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		parts = append(parts, configPart{configFile: parsed, path: name})
		for _, pattern := range parsed.Imports {
			pending = append(pending, s.glob(absolute(name, pattern))...)
		}
	}
	return parts
}

// absolute is what a file's import means: relative to the file.
func absolute(file, pattern string) string {
	if filepath.IsAbs(pattern) {
		return filepath.Clean(pattern)
	}
	return filepath.Join(filepath.Dir(file), pattern)
}

// glob lists the files of the stage's that a pattern matches in its last part.
func (s stage) glob(pattern string) []string {
	path, err := s.path(pattern)
	if err != nil {
		return nil
	}
	matches, _ := filepath.Glob(path) // a pattern that is none matches nothing
	for n, match := range matches {
		matches[n] = filepath.Join(filepath.Dir(pattern), filepath.Base(match))
	}
	return matches
}

// runtimes are the tables of the CRI's runtimes with a name, in the order in which
// containerd takes them in.
func (i *installer) runtimes(name string) []map[string]any {
	var list []map[string]any
	for _, part := range i.parts {
		all := table(table(table(part.Plugins, criPlugin(part.Version)), "containerd"), "runtimes")
		if r := table(all, name); len(r) > 0 {
			list = append(list, r)
		}
	}
	return list
}

// imported tells whether containerd's configuration takes a file in, which need not
// be there yet.
func (i *installer) imported(name string) bool {
	for _, part := range i.parts {
		for _, pattern := range part.Imports {
			if ok, err := filepath.Match(absolute(part.path, pattern), name); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// stateDir is containerd's state directory.
func (i *installer) stateDir() string {
	state := "/run/containerd"
	for _, part := range i.parts {
		if part.State != "" {
			state = part.State
		}
	}
	return state
}
