package operator

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Action is what happens to a file.
type Action string

// The actions.
const (
	Create  Action = "create"
	Replace Action = "replace"
	Keep    Action = "keep" // it is as it should be
	Remove  Action = "remove"
	// Conflict is a file that install did not write, or that was changed since:
	// it stays as it is.
	Conflict Action = "conflict"
)

// Change is what happens to one file.
type Change struct {
	Path   string `json:"path"`
	Action Action `json:"action"`
	SHA256 string `json:"sha256,omitempty"` // of the new content
	Why    string `json:"why,omitempty"`    // of a conflict, or of a file that stays though it is no longer needed

	content []byte
	mode    fs.FileMode
	ours    bool // belongs in the manifest
}

// wanted is a file as it should be.
type wanted struct {
	path    string
	content []byte
	mode    fs.FileMode
}

// plan compares what should be with what is. What an earlier install wrote and is
// no longer wanted goes.
func (s stage) plan(m *Manifest, files []wanted) ([]Change, error) {
	var changes []Change
	for _, w := range files {
		c, err := s.planFile(m, w)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	for _, name := range m.paths() {
		if slices.ContainsFunc(files, func(w wanted) bool { return w.path == name }) {
			continue
		}
		c, err := s.planRemoval(m, name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func (s stage) planFile(m *Manifest, w wanted) (Change, error) {
	c := Change{Path: w.path, SHA256: checksum(w.content), content: w.content, mode: w.mode, ours: true}
	f, err := s.look(w.path)
	if err != nil {
		return c, err
	}
	ours := m.wrote(w.path, f)
	switch {
	case !f.exists:
		c.Action = Create
	case f.regular && f.sum == c.SHA256 && (f.mode == w.mode || !ours):
		// Somebody else's file of the same content does, and stays theirs.
		c.Action, c.ours = Keep, ours
	case ours:
		c.Action = Replace
	case m.Files[w.path] != nil:
		c.Action, c.Why = Conflict, "it was changed since it was installed: move it away, or put it back as it was"
	default:
		c.Action, c.Why = Conflict, "it is not from tango install: move it away, or choose another place (see tango install --help)"
	}
	return c, nil
}

// planRemoval takes away a file of the manifest's.
func (s stage) planRemoval(m *Manifest, name string) (Change, error) {
	c := Change{Path: name, Action: Remove}
	f, err := s.look(name)
	if err != nil {
		return c, err
	}
	if f.exists && !m.wrote(name, f) {
		c.Action, c.Why = Conflict, "it was changed since it was installed: if it is not needed, remove it by hand"
	}
	return c, nil
}

// conflicts says, as one error, which files are in the way.
func conflicts(changes []Change) error {
	var lines []string
	for _, c := range changes {
		if c.Action == Conflict {
			lines = append(lines, fmt.Sprintf("cannot touch %s: %s", c.Path, c.Why))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%s\nnothing was changed", strings.Join(lines, "\n"))
}

// changed tells whether anything happens to a file that f picks.
func changed(changes []Change, f func(path string) bool) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Action != Keep && f(c.Path) })
}

// apply makes the changes. The manifest is written first with what is there and what
// comes, then with what is there, so that a run may be cut off anywhere.
func (s stage) apply(m *Manifest, changes []Change) error {
	next := &Manifest{Version: m.Version, Files: make(map[string][]string), Dirs: m.Dirs}
	for _, c := range changes {
		if err := s.prepare(m, next, c); err != nil {
			return err
		}
	}
	m.Dirs = next.Dirs
	if err := s.writeManifest(m); err != nil {
		return err
	}
	for _, c := range changes {
		if err := s.applyOne(c); err != nil {
			return err
		}
	}
	return s.finish(next)
}

// prepare notes one change in the manifest that holds until all is done, and in the
// one that holds then.
func (s stage) prepare(m, next *Manifest, c Change) error {
	if c.Action == Remove || !c.ours {
		return nil
	}
	next.Files[c.Path] = []string{c.SHA256}
	if !slices.Contains(m.Files[c.Path], c.SHA256) {
		m.Files[c.Path] = append(m.Files[c.Path], c.SHA256)
	}
	dirs, err := s.missingDirs(c.Path)
	for _, dir := range dirs {
		if !slices.Contains(next.Dirs, dir) {
			next.Dirs = append(next.Dirs, dir)
		}
	}
	return err
}

func (s stage) applyOne(c Change) error {
	switch c.Action {
	case Create, Replace:
		return s.write(c.Path, c.content, c.mode)
	case Remove:
		return s.remove(c.Path)
	default:
		return nil
	}
}

// finish keeps the manifest, and takes away the directories that were made when
// nothing is installed any more.
func (s stage) finish(m *Manifest) error {
	if err := s.writeManifest(m); err != nil || len(m.Files) > 0 {
		return err
	}
	for _, dir := range slices.Backward(m.Dirs) {
		if err := s.removeDir(dir); err != nil {
			return fmt.Errorf("cannot remove directory %s: %w", dir, err)
		}
	}
	return nil
}
