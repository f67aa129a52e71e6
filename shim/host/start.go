package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
	"tango/shim/relay"
)

// Action is the argument that makes the binary a service.
const Action = "service"

// Config says what a service keeps and where it can be found.
type Config struct {
	RunDir      string     // tango's run directory
	Executables pidref.Dir // lists who runs from the sealed binary
	Relay       string     // name of its socket
	Bundles     string     // the directory that bundles are in
}

// Start runs a service as a process of its own, unless one runs already. exe is the
// sealed binary, env what containerd started the calling process with.
func Start(c Config, exe *os.File, env []string) error {
	lock, err := c.lock()
	if err != nil || lock == nil {
		return err
	}
	_ = lock.Close() // the service takes it; of two, the second ends
	if c.inOwnCgroup(func(own *os.File) error { return c.execute(exe, env, own) }) == nil {
		return nil
	}
	return c.execute(exe, env, nil)
}

// execute starts the process, in a cgroup of its own if there is one.
func (c Config) execute(exe *os.File, env []string, own *os.File) error {
	cmd := &exec.Cmd{
		Path: PathOf(exe),
		Args: append([]string{"containerd-shim-tango-v2", Action}, c.args()...),
		Dir:  "/",
		Env:  env,
		// In a session of its own it would get a share of the CPU of its own, too:
		// see sched_setattr(2) about autogroups.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	bornIn(cmd, own)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the host service: %w", err)
	}
	return cmd.Process.Release() // it outlives this process
}

// PathOf is a path by which a child of this process can execute an open file. It
// goes by this process, not by /proc/self: between fork and exec, package syscall
// moves descriptors about in the child, and may put one where the file was.
func PathOf(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }

func (c Config) args() []string {
	return []string{c.RunDir, string(c.Executables), c.Relay, c.Bundles}
}

// ParseConfig reads a Config from the arguments of a service or a warm shim.
func ParseConfig(args []string) (Config, error) {
	if len(args) != 4 {
		return Config{}, fmt.Errorf("the host service takes a run directory, a registry, a socket's name and the bundles' directory, got %q", args)
	}
	return Config{RunDir: args[0], Executables: pidref.Dir(args[1]), Relay: args[2], Bundles: args[3]}, nil
}

// lock takes the lock that one service has; nil if it is taken.
func (c Config) lock() (*os.File, error) {
	path := relay.Path(c.RunDir, c.Relay)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return tryLock(path + ".lock")
}

// tryLock locks a file, which it makes; nil if somebody else has the lock.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}
