package bootstrap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/containerd/containerd/v2/pkg/schedcore"
	"github.com/containerd/containerd/v2/pkg/sys"

	"tango/mounts/fault"
	"tango/shim/container/initexe"
	"tango/shim/container/sealed"
	"tango/shim/host"
	"tango/shim/options"
	"tango/shim/prelude"
)

// These carry from start to the daemon where what it shares with others is.
const (
	runDirEnv   = "TANGO_RUN_DIR"
	registryEnv = "TANGO_EXECUTABLES"
)

// daemon is the long-running shim process before it runs.
type daemon struct {
	role   host.Role
	exe    *sealed.Executable
	runDir string
	cgroup string // cgroup to put it into; "" leaves it in containerd's
	caller caller
}

// newDaemon prepares the daemon's process: the host's one sealed copy of this
// binary, in a process group of its own, in the bundle.
func newDaemon(inv *invocation, req request, c caller) (*daemon, error) {
	runDir := req.runDir(c)
	if err := fault.Point("bootstrap.sealed"); err != nil {
		return nil, err
	}
	exe, err := c.executable(runDir)
	if err != nil {
		return nil, err
	}
	args := []string{inv.binary, "-namespace", inv.namespace, "-id", req.id, "-address", req.address}
	if req.debug {
		args = append(args, "-debug")
	}
	env := slices.Concat(c.env, []string{
		host.Procs, "OTEL_SERVICE_NAME=containerd-shim-" + req.id,
		runDirEnv + "=" + runDir, registryEnv + "=" + string(exe.Registry()),
	})
	return &daemon{
		role: host.Role{Args: args, Env: env, Dir: c.dir},
		exe:  exe, runDir: runDir, cgroup: req.options.ShimCgroup, caller: c,
	}, nil
}

// executable is what the daemon runs from.
func (c caller) executable(runDir string) (*sealed.Executable, error) {
	if c.warm != nil {
		return sealed.Running(c.warm.Config.Executables)
	}
	return sealed.Open(runDir)
}

// spawn has a process serve the socket: one that has started up already, if there
// is one, or a new one.
func (d *daemon) spawn(socket *shimSocket) error {
	defer d.exe.File.Close()
	if d.caller.warm != nil {
		if w := d.caller.warm.Take(); w != nil {
			if err := d.place(w.Pid); err != nil {
				w.Close()
				return err
			}
			if w.Become(d.role, socket.file, socket.path()) == nil {
				return nil
			}
		}
	}
	if err := d.startProcess(socket); err != nil {
		return err
	}
	if d.caller.warm == nil {
		d.startService()
	}
	return nil
}

// startService has the next start be answered by a host service. It runs where
// containerd does, whatever becomes of the shim; without it all goes on as it did.
func (d *daemon) startService() {
	name, err := prelude.SocketName()
	if err != nil {
		return
	}
	_ = host.Start(host.Config{
		RunDir: d.runDir, Executables: d.exe.Registry(), Relay: name, Bundles: filepath.Dir(d.role.Dir),
	}, d.exe.File, append(d.caller.env, runDirEnv+"="+d.runDir))
}

// startProcess starts the daemon with the socket as its fd 3. If it can't be
// placed where it belongs, it is killed again.
func (d *daemon) startProcess(socket *shimSocket) error {
	place, err := initexe.Reserve()
	if err != nil {
		return fmt.Errorf("cannot start the shim: %w", err)
	}
	defer place.Close()
	cmd := &exec.Cmd{
		Path:        host.PathOf(d.exe.File),
		Args:        d.role.Args,
		Dir:         d.role.Dir,
		Env:         d.role.Env,
		ExtraFiles:  d.inherited(socket.file, place),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := d.execute(cmd, socket.path()); err != nil {
		return fmt.Errorf("cannot start the shim: %w", err)
	}
	if err := d.place(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		return err
	}
	return nil
}

// inherited are the daemon's descriptors from 3 on. place keeps that of what containers
// start from where that isn't there yet.
func (d *daemon) inherited(socket, place *os.File) []*os.File {
	if d.caller.warm == nil {
		return []*os.File{socket, place}
	}
	return d.caller.warm.Inherited(socket)
}

// place puts the daemon's process where it belongs.
func (d *daemon) place(pid int) error {
	if err := fault.Point("bootstrap.register"); err != nil {
		return err
	}
	if err := d.exe.Register(pid); err != nil {
		return err
	}
	if err := joinCgroup(d.cgroup, pid); err != nil {
		return err
	}
	score, err := sys.GetOOMScoreAdj(d.caller.parent)
	if err != nil {
		return fmt.Errorf("cannot get the OOM score of the shim's parent: %w", err)
	}
	if err := sys.AdjustOOMScore(pid, score+1); err != nil {
		return fmt.Errorf("cannot adjust the shim's OOM score: %w", err)
	}
	return nil
}

// execute keeps to one thread, because a core scheduling cookie belongs to the
// thread that made it and is inherited from it.
func (d *daemon) execute(cmd *exec.Cmd, socket string) error {
	if d.caller.warm != nil {
		if err := d.caller.warm.Execute(cmd, socket); err != nil {
			return fmt.Errorf("%w: %w", errDeclined, err) // who asks may still be able to
		}
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if d.caller.getenv("SCHED_CORE") != "" {
		if err := schedcore.Create(schedcore.ProcessGroup); err != nil {
			return fmt.Errorf("cannot enable core scheduling: %w", err)
		}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
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
func (r request) runDir(c caller) string {
	if dir := c.getenv(runDirEnv); dir != "" && r.options.RunDir == options.DefaultRunDir {
		return dir
	}
	return r.options.RunDir
}
