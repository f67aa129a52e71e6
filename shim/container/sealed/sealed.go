// Package sealed keeps one sealed, executable in-memory copy of the running
// binary per host, from which all shims run.
//
// A container must never be able to reach a writable host binary through
// /proc/PID/exe (CVE-2019-5736). libcontainer therefore clones its binary for
// every process that it starts, unless it already runs from a sealed memfd. One
// memfd per shim would do, but would give up the sharing of text pages between
// shims; so a new shim looks for a running one of the same binary and executes
// that one's memfd.
package sealed

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
)

// Executable is a sealed copy of this process's binary.
type Executable struct {
	// File is the memfd; the caller closes it.
	File *os.File
	dir  pidref.Dir
}

// Open returns the host's sealed copy, or makes it if no running shim has one.
// runDir is tango's run directory.
func Open(runDir string) (*Executable, error) {
	dir, err := registryOfSelf(runDir)
	if err != nil {
		return nil, fmt.Errorf("cannot identify the shim's binary: %w", err)
	}
	if f := dir.Open(exeseal.IsCloned); f != nil {
		return &Executable{File: f, dir: dir}, nil
	}
	pidref.SweepAll(filepath.Dir(string(dir))) // what replaced binaries left behind
	f, err := copySelf()
	if err != nil {
		return nil, fmt.Errorf("cannot make a sealed copy of the shim: %w", err)
	}
	return &Executable{File: f, dir: dir}, nil
}

// Running returns the copy that this process itself runs from, which is listed in
// registry.
func Running(registry pidref.Dir) (*Executable, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("cannot open the sealed copy that runs: %w", err)
	}
	return &Executable{File: f, dir: registry}, nil
}

// Register lets later starts find the copy in the process pid, which executes it.
func (e *Executable) Register(pid int) error {
	if _, err := e.dir.Add(pid, "exe", e.File); err != nil {
		return fmt.Errorf("cannot register the sealed executable: %w", err)
	}
	return nil
}

// Registry lists the processes that execute the copy.
func (e *Executable) Registry() pidref.Dir { return e.dir }

func copySelf() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	st, err := self.Stat()
	if err != nil {
		return nil, err
	}
	return exeseal.CloneBinary(self, st.Size(), "tango", os.TempDir())
}

// registryOfSelf is a directory whose name identifies the binary on disk, so
// that an upgraded binary never runs from its predecessor's memory.
func registryOfSelf(runDir string) (pidref.Dir, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &st); err != nil {
		return "", err
	}
	key := fmt.Sprintf("%x-%x-%x-%x", st.Dev, st.Ino, st.Size, st.Mtim.Nano())
	return pidref.Dir(filepath.Join(runDir, "exe", key)), nil
}
