package bootstrap

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/containerd/containerd/v2/pkg/schedcore"
	"github.com/containerd/containerd/v2/pkg/shim"

	"tango/shim/container/sealed"
	"tango/shim/options"
)

// These carry from start to the daemon where what it shares with others is.
const (
	runDirEnv   = "TANGO_RUN_DIR"
	registryEnv = "TANGO_EXECUTABLES"
)

// daemon is the long-running shim process before it runs.
type daemon struct {
	cmd    *exec.Cmd
	exe    *sealed.Executable
	cgroup string // cgroup to put it into; "" leaves it in containerd's
}

// newDaemon prepares the daemon's process: the host's one sealed copy of this
// binary, in a process group of its own, in the bundle.
func newDaemon(inv *invocation, req request) (*daemon, error) {
	runDir := req.runDir()
	exe, err := sealed.Open(runDir)
	if err != nil {
		return nil, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	args := []string{inv.binary, "-namespace", inv.namespace, "-id", req.id, "-address", req.address}
	if req.debug {
		args = append(args, "-debug")
	}
	cmd := &exec.Cmd{
		Path:        "/proc/self/fd/" + strconv.Itoa(int(exe.File.Fd())),
		Args:        args,
		Dir:         cwd,
		Env:         append(os.Environ(), "GOMAXPROCS=4", "OTEL_SERVICE_NAME=containerd-shim-"+req.id, runDirEnv+"="+runDir, registryEnv+"="+string(exe.Registry())),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return &daemon{cmd: cmd, exe: exe, cgroup: req.options.ShimCgroup}, nil
}

// spawn starts the daemon with the socket as its fd 3. If it can't be placed
// where it belongs, it is killed again.
func (d *daemon) spawn(socket *shimSocket) (retErr error) {
	defer d.exe.File.Close()
	d.cmd.ExtraFiles = []*os.File{socket.file}
	if err := d.startProcess(); err != nil {
		return fmt.Errorf("cannot start the shim: %w", err)
	}
	go func() { _ = d.cmd.Wait() }()
	defer func() {
		if retErr != nil {
			_ = d.cmd.Process.Kill()
		}
	}()
	pid := d.cmd.Process.Pid
	if err := d.exe.Register(pid); err != nil {
		return err
	}
	if err := joinCgroup(d.cgroup, pid); err != nil {
		return err
	}
	if err := shim.AdjustOOMScore(pid); err != nil {
		return fmt.Errorf("cannot adjust the shim's OOM score: %w", err)
	}
	return nil
}

// startProcess keeps to one thread, because a core scheduling cookie belongs to
// the thread that made it and is inherited from it.
func (d *daemon) startProcess() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Getenv("SCHED_CORE") != "" {
		if err := schedcore.Create(schedcore.ProcessGroup); err != nil {
			return fmt.Errorf("cannot enable core scheduling: %w", err)
		}
	}
	return d.cmd.Start()
}

// joinCgroup puts the shim into the cgroup that the ShimCgroup option names.
func joinCgroup(path string, pid int) error {
	if path == "" {
		return nil
	}
	add := joinV1
	if cgroups.Mode() == cgroups.Unified {
		add = joinV2
	}
	if err := add(path, pid); err != nil {
		return fmt.Errorf("cannot put the shim into cgroup %q (option ShimCgroup; it must exist): %w", path, err)
	}
	return nil
}

func joinV1(path string, pid int) error {
	cg, err := cgroup1.Load(cgroup1.StaticPath(path))
	if err != nil {
		return err
	}
	return cg.AddProc(uint64(pid))
}

func joinV2(path string, pid int) error {
	cg, err := cgroup2.Load(path)
	if err != nil {
		return err
	}
	return cg.AddProc(uint64(pid))
}

// runDir is where the host's shims share: the option RunDir, or, where that isn't
// set, what containerd's environment says.
func (r request) runDir() string {
	if dir := os.Getenv(runDirEnv); dir != "" && r.options.RunDir == options.DefaultRunDir {
		return dir
	}
	return r.options.RunDir
}
