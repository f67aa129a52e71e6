package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
)

// Namespace is the containerd namespace of everything in a node.
const Namespace = "tango-test"

// markerEnv is in the environment of a node's containerd and of all that
// descend from it, except the containers' own processes.
const markerEnv = "TANGO_TEST_NODE"

// bootTimeout is how long containerd may take until it answers. It needs half a
// second on an idle machine; the rest is for one that compiles something.
var bootTimeout = patient(time.Minute)

// Options says how to run a node. The zero value is a containerd without the
// Kubernetes interface.
type Options struct {
	CRI      bool     // also load the Kubernetes interface; default: no
	Config   string   // more lines for containerd's TOML file (version 4)
	Env      []string // more environment for containerd and so for the shims
	LogLevel string   // of containerd and the shims; default: TANGO_TEST_LOG, else "info"
	Runtime  string   // default runtime of containers: Tango (default) or Stock
	Fresh    bool     // no other test has used the node, or will: see ReuseVariable
	LikeNode bool     // filesystems are such as nodes have, whatever this machine has: for measurements

	// Bin is the directory with the shim, and below it tools/ with containerd and the
	// stock runtime; default: see binEnv.
	Bin string

	// Containerd is the program to run instead of the pinned containerd. What it
	// executes must keep its process id.
	Containerd string
	// ConfigVersion is 2 for a containerd older than 2.4, which reads nothing
	// newer; default: 4.
	ConfigVersion int
}

// Node is a private containerd and all that belongs to it. Its methods may be
// called from several goroutines, except Restart, Stop and Close.
type Node struct {
	dir     string
	bin     string
	asked   Options   // by the test: for who could use the node as well
	lent    *Existing // the containerd, where it is somebody else's
	options Options
	client  atomic.Pointer[containerd.Client]
	boots   int // of containerd
	uses    int // by tests

	daemon *exec.Cmd
	exited chan struct{} // closed when daemon has been waited for

	importing sync.Mutex // held while an image is made, imported or unpacked

	mu         sync.Mutex            // guards containers
	containers map[string]*Container // by id: those not deleted yet
	serial     atomic.Int64          // for container ids
}

// Start makes a node and waits until its containerd answers. The caller closes it.
func Start(ctx context.Context, o Options) (_ *Node, retErr error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("cannot run containers without root")
	}
	sweepOnce.Do(func() { retErr = sweep() })
	if retErr != nil {
		return nil, retErr
	}
	asked := o
	if o.LogLevel == "" {
		o.LogLevel = os.Getenv("TANGO_TEST_LOG")
	}
	n := &Node{asked: asked, options: o, containers: make(map[string]*Container)}
	var err error
	if n.bin = o.Bin; n.bin == "" {
		if n.bin, err = binDir(); err != nil {
			return nil, err
		}
	}
	if n.dir, err = os.MkdirTemp("", dirPrefix); err != nil {
		return nil, err
	}
	register(n)
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, n.Close())
		}
	}()
	if err := n.prepare(); err != nil {
		return nil, err
	}
	return n, n.boot(ctx)
}

// Dir returns the directory that holds everything of the node.
func (n *Node) Dir() string { return n.dir }

// Address returns the path of containerd's socket.
func (n *Node) Address() string {
	if n.lent != nil {
		return n.lent.Address
	}
	return n.path("containerd.sock")
}

// LogPath returns the path of the log of containerd and the shims.
func (n *Node) LogPath() string { return n.path("containerd.log") }

// Client returns the connection to containerd. After a Restart it is another one.
func (n *Node) Client() *containerd.Client { return n.client.Load() }

// Context returns ctx with the node's containerd namespace.
func (n *Node) Context(ctx context.Context) context.Context {
	return namespaces.WithNamespace(ctx, n.namespace())
}

func (n *Node) namespace() string {
	if n.lent != nil {
		return n.lent.Namespace
	}
	return Namespace
}

// DaemonPID returns the process id of containerd.
func (n *Node) DaemonPID() int { return n.daemon.Process.Pid }

// Criu returns the path of the criu that the node's shims run: the one that
// `make deps` fetched where the system's does not know the kernel, or else the system's.
func (n *Node) Criu() (string, error) {
	fetched := filepath.Join(n.bin, "criu", "criu")
	if _, err := os.Stat(fetched); err == nil {
		return fetched, nil
	}
	return exec.LookPath("criu")
}

// Tool returns the path of a program from bin/ or bin/tools/.
func (n *Node) Tool(name string) (string, error) { return tool(n.bin, name) }

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

// prepare fills the node's directory.
func (n *Node) prepare() error {
	if err := n.furnish(); err != nil {
		return err
	}
	return os.WriteFile(n.path("config.toml"), []byte(n.config()), 0o600)
}

// furnish makes the directories of a node, and notes whose it is.
func (n *Node) furnish() error {
	by, err := owner()
	if err != nil {
		return err
	}
	// Containers in user namespaces look up their root below it.
	if err := os.Chmod(n.dir, 0o711); err != nil {
		return err
	}
	for _, dir := range []string{"tmp", "s", "fifo", "run", "log"} {
		if err := os.Mkdir(n.path(dir), 0o711); err != nil {
			return err
		}
	}
	if n.options.LikeNode {
		if err := n.likeNode(); err != nil {
			return err
		}
	}
	return os.WriteFile(n.path(ownerFile), []byte(by), 0o600)
}

// boot executes containerd and connects to it.
func (n *Node) boot(ctx context.Context) error {
	program, err := n.program()
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(n.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	if err := lowerFiles(); err != nil {
		return err
	}
	heedHangUps()
	cmd := exec.Command(program, "--config", n.path("config.toml"))
	cmd.Env = append(n.environ(), n.options.Env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// A process group of its own: Ctrl-C must reach this process alone, which
	// then takes things down in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its log; that it ended is what counts here
	}()
	n.daemon, n.exited = cmd, exited
	n.boots++
	return n.connect(ctx)
}

// program is the containerd to run.
func (n *Node) program() (string, error) {
	if n.options.Containerd != "" {
		return n.options.Containerd, nil
	}
	return tool(n.bin, "containerd")
}

func (n *Node) environ() []string {
	return []string{
		"PATH=" + strings.Join([]string{n.bin, filepath.Join(n.bin, "tools"), filepath.Join(n.bin, "criu"), systemPath}, ":"),
		"HOME=/root", "TMPDIR=" + n.path("tmp"), markerEnv + "=" + n.dir,
		"TANGO_RUN_DIR=" + n.path("run"),
	}
}

// connect waits until containerd serves, and makes the client.
func (n *Node) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	for {
		client, err := containerd.New(n.Address(), containerd.WithDefaultNamespace(n.namespace()), containerd.WithTimeout(time.Second))
		if err == nil {
			var ok bool
			if ok, err = client.IsServing(ctx); ok {
				n.client.Store(client)
				return nil
			}
			client.Close()
		}
		select {
		case <-n.exited:
			return fmt.Errorf("containerd ended while it started:\n%s", n.LogTail(20))
		case <-ctx.Done():
			return fmt.Errorf("cannot reach containerd within %v: %w (last error: %w)", bootTimeout, ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends containerd in order (SIGTERM); shims and containers stay.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM) }

// Crash ends containerd with SIGKILL; shims and containers stay.
func (n *Node) Crash() error { return n.end(syscall.SIGKILL) }

// Boot starts containerd again after Stop or Crash. Containers and tasks got
// from the old client no longer work: see [Node.Reload].
func (n *Node) Boot(ctx context.Context) error { return n.boot(ctx) }

// Restart is Stop and Boot.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Stop(); err != nil {
		return err
	}
	return n.boot(ctx)
}

func (n *Node) end(sig syscall.Signal) error {
	if client := n.client.Swap(nil); client != nil {
		client.Close()
	}
	if n.daemon == nil {
		return nil
	}
	if err := n.daemon.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot end containerd: %w", err)
	}
	select {
	case <-n.exited:
		n.daemon = nil
		return nil
	case <-time.After(bootTimeout):
		return fmt.Errorf("containerd did not end within %v after %v", bootTimeout, sig)
	}
}
