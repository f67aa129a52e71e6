package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// manifestFile is where install keeps what it wrote.
const manifestFile = "/var/lib/tango/install.json"

// Manifest is what install has written: all that it, and uninstall, may change.
type Manifest struct {
	Version string `json:"version"` // of the command that wrote it
	// Files are by path. A file has several checksums while it is being replaced,
	// so that a run that was cut off leaves nothing that the next doesn't know.
	Files map[string][]string `json:"files"`
	// Dirs were made for the files, the highest first.
	Dirs []string `json:"dirs,omitempty"`
}

// readManifest reads what is kept, nothing if nothing is.
func (s stage) readManifest() (*Manifest, error) {
	m := &Manifest{Files: make(map[string][]string)}
	path, err := s.path(manifestFile)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, m)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what was installed before from %s: %w", path, err)
	}
	if m.Files == nil {
		m.Files = make(map[string][]string)
	}
	return m, nil
}

// writeManifest keeps it, or takes it away when nothing is installed.
func (s stage) writeManifest(m *Manifest) error {
	if len(m.Files) == 0 {
		return errors.Join(s.remove(manifestFile), s.removeDir(filepath.Dir(manifestFile)))
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return s.write(manifestFile, append(text, '\n'), 0o644)
}

// wrote tells whether this file, as it is now, was written by install.
func (m *Manifest) wrote(name string, f diskFile) bool {
	return f.regular && slices.Contains(m.Files[name], f.sum)
}

// paths are those of the files, in order.
func (m *Manifest) paths() []string {
	var list []string
	for name := range m.Files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// locked runs f while no other install or uninstall of this stage runs.
func (s stage) locked(f func() error) error {
	path, err := s.path(manifestFile)
	if err != nil {
		return err
	}
	dir := filepath.Dir(filepath.Dir(path)) // outlives what is installed
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot install without %s: %w", dir, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot install without %s: %w", dir, err)
	}
	defer d.Close() // ends the lock
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("cannot install while another install or uninstall runs (lock on %s): %w", dir, err)
	}
	return f()
}
