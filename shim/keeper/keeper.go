// Package keeper keeps what the shims of a host share alive for a while when no
// shim is there to do it: the sealed binary that shims run from, and the template
// of containers' mount namespaces. Without it the next shim would have to copy
// the binary and the host's mount table again, which on a host that starts one
// container after the other is every shim.
//
// The keeper is a process of the same binary. A shim starts it
// where none runs; it ends by itself when it has been the only holder for some time.
// Nothing depends on it.
package keeper

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
)

// Action is the argument that makes the binary a keeper.
const Action = "keep"

const (
	idle  = 30 * time.Second // without any shim, then it ends
	every = 5 * time.Second  // is how often it looks
)

// template is the descriptor that Start hands down.
const template = 3

// Registries are the directories in which holders are listed.
type Registries struct {
	Executables pidref.Dir // of the binary that runs
	Namespaces  pidref.Dir // of the template
}

// Start runs a keeper of the template, an open mount namespace, as a process of
// its own, unless one runs already. The caller's process must run from the sealed
// binary.
func Start(r Registries, ns *os.File) error {
	lock, err := r.lock()
	if err != nil || lock == nil {
		return err
	}
	_ = lock.Close() // the keeper takes it; of two, the second ends
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{"containerd-shim-tango-v2", Action, string(r.Executables), string(r.Namespaces)},
		Dir:         "/",
		Env:         []string{"GOMAXPROCS=1"},
		ExtraFiles:  []*os.File{ns},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the keeper: %w", err)
	}
	// It outlives this process; until then whoever reaps orphans reaps it.
	return cmd.Process.Release()
}

// Main is the keeper. It returns when it is no longer needed, at once if another
// keeper has the same template.
func Main(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s takes two registries, got %q", Action, args)
	}
	r := Registries{Executables: pidref.Dir(args[0]), Namespaces: pidref.Dir(args[1])}
	lock, err := r.lock()
	if err != nil || lock == nil {
		return err
	}
	defer lock.Close()
	defer os.Remove(lock.Name())
	remove, err := r.hold()
	if err != nil {
		return err
	}
	r.wait()
	remove()
	r.Executables.Sweep()
	r.Namespaces.Sweep()
	return nil
}

// lock takes the lock that one keeper has of these; nil if it is taken.
func (r Registries) lock() (*os.File, error) {
	name := string(r.Namespaces) + "-" + filepath.Base(string(r.Executables)) + ".keeper"
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	return f, err
}

// hold lists this process as a holder of both.
func (r Registries) hold() (remove func(), _ error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	removeExe, err := r.Executables.Add(os.Getpid(), "exe", exe)
	if err != nil {
		return nil, err
	}
	ns := os.NewFile(template, "template")
	unix.CloseOnExec(template)
	removeNs, err := r.Namespaces.Add(os.Getpid(), fmt.Sprintf("fd/%d", template), ns)
	if err != nil {
		removeExe()
		return nil, err
	}
	return func() { removeExe(); removeNs() }, nil
}

// wait returns when no shim has held anything for the idle time, the registries
// are gone, or somebody says so by SIGTERM.
func (r Registries) wait() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGTERM, unix.SIGINT)
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-told:
			return
		case <-tick.C:
		}
		if r.used() {
			last = time.Now()
		}
		if time.Since(last) >= idle || r.gone() {
			return
		}
	}
}

// used tells whether a shim is among the holders. Other keepers don't count: two
// that hold the same template for different binaries would never end.
func (r Registries) used() bool {
	holders := slices.Concat(r.Executables.Holders(), r.Namespaces.Holders())
	return slices.ContainsFunc(holders, func(pid int) bool { return !isKeeper(pid) })
}

func isKeeper(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(string(line), "\x00")
	return err == nil && len(args) > 1 && args[1] == Action
}

func (r Registries) gone() bool {
	_, err := os.Lstat(string(r.Namespaces))
	return os.IsNotExist(err)
}
