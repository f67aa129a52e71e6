package operator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// installer knows where everything goes on one machine.
type installer struct {
	installOptions
	stage     stage
	host      host
	release   string       // containerd's: "1.7" or "2"
	driver    bool         // systemd makes the cgroups
	parts     []configPart // containerd's configuration as it is, the main file first
	inPlace   bool         // the programs are where containerd looks already
	wroteMain bool         // an earlier install made containerd's main file
	newMain   bool         // containerd 2.x has no main file yet: it gets one
	dropIn    string       // path of tango's file for containerd
	controls  string       // path of the other arm's
}

func (h host) newInstaller(ctx context.Context, o installOptions) (*installer, error) {
	i := &installer{installOptions: o, stage: stage(o.root), host: h}
	if info, err := os.Stat(o.root); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("cannot install into %s: it is no directory (%w)", o.root, err)
	}
	before, err := i.stage.readManifest()
	if err != nil {
		return nil, err
	}
	i.placePrograms(before)
	i.wroteMain = before.Files[i.config] != nil
	if i.dropInDir == "" {
		i.dropInDir = filepath.Join(filepath.Dir(i.config), "conf.d")
	}
	i.dropIn, i.controls = filepath.Join(i.dropInDir, "tango.toml"), filepath.Join(i.dropInDir, "tango-control.toml")
	i.parts = i.stage.readParts(i.config)
	if i.release, err = i.findRelease(ctx); err != nil {
		return nil, err
	}
	i.driver, err = i.findDriver()
	i.newMain = len(i.parts) == 0 && i.release == "2"
	return i, err
}

// placePrograms chooses the directory of the programs. Those that came by a package
// stay where that put them.
func (i *installer) placePrograms(before *Manifest) {
	if i.binDir != "" {
		return
	}
	i.binDir = defaultBinDir
	if i.stage == "/" && slices.Contains(programDirs, filepath.Clean(i.from)) {
		i.binDir = filepath.Clean(i.from)
		i.inPlace = before.Files[filepath.Join(i.binDir, shimName)] == nil
	}
}

// findRelease tells which containerd the configuration is for, by its program, else
// by the version of its file.
func (i *installer) findRelease(ctx context.Context) (string, error) {
	if i.containerd != "auto" {
		return i.containerd, nil
	}
	if major, minor, ok := i.askContainerd(ctx).release(); ok {
		return releaseFor(major, minor)
	}
	if len(i.parts) > 0 && i.parts[0].Version < 3 {
		return "", fmt.Errorf("cannot tell whether containerd is 1.7 or 2.x: it was not found, and %s would do for both. Say it by --containerd", i.config)
	}
	return "2", nil
}

func releaseFor(major, minor int) (string, error) {
	switch {
	case major >= 2:
		return "2", nil
	case major == 1 && minor >= 7:
		return "1.7", nil
	default:
		return "", fmt.Errorf("cannot install for containerd %d.%d: tango is made for 1.7 and later", major, minor)
	}
}

// askContainerd asks the stage's containerd for its version.
func (i *installer) askContainerd(ctx context.Context) Program {
	if i.stage == "/" {
		return i.host.containerd(ctx).Program
	}
	var p Program
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if c, err := i.stage.command(ctx, "containerd", "--version"); err == nil {
		if out, err := c.Output(); err == nil {
			p.Version = containerdVersion(string(out))
		}
	}
	return p
}

// findDriver tells who makes cgroups: as runc has it in containerd's configuration,
// else systemd where it is the init.
func (i *installer) findDriver() (bool, error) {
	switch i.systemd {
	case "true", "false":
		return i.systemd == "true", nil
	}
	list := i.runtimes("runc")
	for _, runc := range slices.Backward(list) {
		if driver, told := table(runc, "options")["SystemdCgroup"].(bool); told {
			return driver, nil
		}
	}
	c, err := i.host.cgroups()
	return c.Systemd, err
}

// files are all that should be there.
func (i *installer) files() ([]wanted, error) {
	files, err := i.programs()
	if err != nil || i.release == "1.7" {
		return files, err
	}
	if i.newMain || i.wroteMain {
		text := fmt.Sprintf("# containerd's defaults hold; drop-in files may change them.\nversion = 3\nimports = [%s]\n",
			tomlString(filepath.Join(i.dropInDir, "*.toml")))
		files = append(files, wanted{path: i.config, content: []byte(text), mode: 0o644})
	}
	text, err := i.dropInFor(nameOf(i.arm)).render()
	files = append(files, wanted{path: i.dropIn, content: []byte(text), mode: 0o644})
	if err == nil && i.control {
		text, err = i.dropInFor("tango-control.toml").render()
		files = append(files, wanted{path: i.controls, content: []byte(text), mode: 0o644})
	}
	return files, err
}

func (i *installer) dropInFor(name string) dropIn {
	d := dropIn{name: name, systemd: i.driver}
	if !slices.Contains(programDirs, i.binDir) {
		d.shim = filepath.Join(i.binDir, shimName)
	}
	return d
}

// programs are the shim, which there must be, this command, and what measures.
func (i *installer) programs() ([]wanted, error) {
	if i.inPlace {
		return nil, nil
	}
	var files []wanted
	for _, name := range []string{shimName, "tango", benchName} {
		content, err := readProgram(filepath.Join(i.from, name))
		if name != shimName && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, wanted{path: filepath.Join(i.binDir, name), content: content, mode: 0o755})
	}
	return files, nil
}

// isConfig tells whether a change is to containerd's configuration.
func (i *installer) isConfig(path string) bool {
	return path == i.config || filepath.Dir(path) == i.dropInDir
}

// restartNeeded tells whether containerd runs with an older configuration than what
// is there after the changes.
func (i *installer) restartNeeded(changes []Change) bool {
	if changed(changes, i.isConfig) {
		return true
	}
	newest := i.newestConfig(changes)
	return i.stage == "/" && !newest.IsZero() && i.host.startedBefore("containerd", newest)
}

// newestConfig is when a file of the configuration changed last.
func (i *installer) newestConfig(changes []Change) time.Time {
	var newest time.Time
	for _, c := range changes {
		path, err := i.stage.path(c.Path)
		if err != nil || !i.isConfig(c.Path) {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}
