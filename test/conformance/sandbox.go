package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sandboxVerb is the argument that makes this program the sandbox's process 1.
const sandboxVerb = "sandbox-init"

// inside is where the sandbox sees its work directory.
const inside = "/run/conformance"

// sandbox describes one run of the suite in namespaces of its own: mounts,
// processes, network, cgroups, IPC and host name. The suite has fixed paths
// (/var/lib/containerd-test, /run/containerd-test, /tmp/runc-test); there they
// are fresh directories under Work. All processes end with the sandbox.
type sandbox struct {
	Work     string // empty directory of this run, on a disk file system
	Bin      string // directory of the programs, first in PATH
	Criu     string // directory with a criu, before the system's; "" for none
	SuiteDir string // the suite's source directory, its tests' working directory
	Args     []string
	Runtime  string
	Busybox  string

	Cgroup      string
	Hierarchies []hierarchy
}

// run starts the sandbox and waits for its end; both outputs are the suite's.
// The suite's exit status is returned; err tells that it could not be run.
func (s sandbox) run(ctx context.Context, stdout, stderr io.Writer) (status int, retErr error) {
	var err error
	if s.Hierarchies, err = hierarchies(); err != nil {
		return 0, err
	}
	s.Cgroup = filepath.Base(s.Work)
	defer func() { retErr = errors.Join(retErr, removeCgroups(s.Hierarchies, s.Cgroup)) }()
	if err := makeCgroups(s.Hierarchies, s.Cgroup); err != nil {
		return 0, err
	}
	spec, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	// The parent-death signal follows the thread, so keep this one alive.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", sandboxVerb)
	cmd.Stdin = strings.NewReader(string(spec))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() != sandboxBroken:
		return exit.ExitCode(), nil
	case err != nil:
		return 0, fmt.Errorf("cannot run the suite in its sandbox: %w", err)
	}
	return 0, nil
}

// sandboxBroken is the exit status of a sandbox that could not be set up.
const sandboxBroken = 125

// sandboxMain is process 1 of a sandbox. It sets it up, serves the images,
// runs the suite, reaps, and exits with the suite's status.
func sandboxMain() int {
	runtime.LockOSThread() // the cgroup namespace is this thread's
	var s sandbox
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		fmt.Fprintln(os.Stderr, "conformance: cannot read the sandbox's description:", err)
		return sandboxBroken
	}
	status, err := s.inside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return sandboxBroken
	}
	return status
}

func (s sandbox) inside() (int, error) {
	served, err := images(s.Busybox, runtime.GOARCH)
	if err != nil {
		return 0, err
	}
	if err := os.Chdir(s.SuiteDir); err != nil {
		return 0, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 0, fmt.Errorf("cannot make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return 0, fmt.Errorf("cannot mount /proc: %w", err)
	}
	for _, step := range []func() error{
		func() error { return enterCgroups(s.Hierarchies, s.Cgroup) },
		s.privateEtc,
		s.privateDirs,
		loopbackUp,
		func() error { return served.serve(filepath.Join(inside, "ca.pem")) },
	} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	return s.suite()
}

// privateEtc lays a tmpfs over /etc, in which the registries' names are on
// loopback and containerd may make its directories.
func (s sandbox) privateEtc() error {
	scratch := filepath.Join(s.Work, "etc")
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("cannot mount a tmpfs for /etc: %w", err)
	}
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	if err := errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755)); err != nil {
		return err
	}
	opts := "lowerdir=/etc,upperdir=" + upper + ",workdir=" + work
	if err := unix.Mount("overlay", "/etc", "overlay", 0, opts); err != nil {
		return fmt.Errorf("cannot mount an overlay on /etc: %w", err)
	}
	hosts := "127.0.0.1 localhost " + strings.Join(registryHosts, " ") + "\n"
	if err := os.WriteFile("/etc/hosts", []byte(hosts), 0o644); err != nil {
		return err
	}
	return criuConfig("/etc/criu")
}

// criuConfig makes criu lock the network of what it dumps
// with the nftables library: by default it runs the iptables programs, which
// this machine may not have.
func criuConfig(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "default.conf"), []byte("network-lock nftables\n"), 0o644)
}

// privateDirs puts directories of the work directory where the suite and
// containerd write. All are cloned first: the work directory may be below one.
func (s sandbox) privateDirs() error {
	type place struct{ source, target string }
	places := []place{
		{"run", "/run"}, {"tmp", "/tmp"}, {"varlib", "/var/lib"}, {"opt", "/opt"},
		{".", inside}, {s.Bin, inside + "/bin"},
	}
	if s.Criu != "" {
		places = append(places, place{s.Criu, inside + "/criu"})
	}
	dirs := []string{"run/conformance", "tmp", "varlib", "opt", "bin", "criu"}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(s.Work, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(s.Work, "tmp"), os.ModeSticky|0o777); err != nil {
		return err
	}
	clones := make([]int, len(places))
	for i, p := range places {
		if !filepath.IsAbs(p.source) {
			p.source = filepath.Join(s.Work, p.source)
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, p.source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("cannot clone %s: %w", p.source, err)
		}
		defer unix.Close(fd)
		clones[i] = fd
	}
	for i, p := range places {
		if err := unix.MoveMount(clones[i], "", unix.AT_FDCWD, p.target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("cannot mount over %s: %w", p.target, err)
		}
	}
	return nil
}

// loopbackUp brings up the only interface of the sandbox's network.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("cannot bring up the loopback interface: %w", err)
	}
	return nil
}

// suite runs the test program as the only child that this process starts, and
// reaps every process that ends up orphaned, as process 1 must.
func (s sandbox) suite() (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	program := filepath.Join(inside, "bin", suiteProgram)
	child, err := os.StartProcess(program, append([]string{program}, s.Args...), &os.ProcAttr{
		Env: []string{
			"PATH=" + inside + "/bin:" + inside + "/criu:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=/root",
			"TMPDIR=/tmp",
			"SSL_CERT_FILE=" + inside + "/ca.pem",
			"TEST_RUNTIME=" + s.Runtime,
		},
		Files: []*os.File{null, os.Stdout, os.Stderr},
	})
	if err != nil {
		return 0, fmt.Errorf("cannot start the suite: %w", err)
	}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("cannot wait for the suite: %w", err)
		case pid == child.Pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == child.Pid:
			return ws.ExitStatus(), nil
		}
	}
}
