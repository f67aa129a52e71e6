package task

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/ttrpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/shim/container"
)

// TestMain has the test binary in the shim's place: orphans of its containers
// come to it, and their first processes execute it with the argument "init".
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		println("task: these tests run containers: run them as root")
		os.Exit(1)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		println("task: cannot become a child subreaper:", err.Error())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// aloneEnv says that this process runs one test only.
const aloneEnv = "TANGO_TEST_ALONE"

// alone gives a test a process of its own, since a shim takes every orphan of its
// process for its own: two in one process would take each other's. It reports
// whether this is that process.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) != "" {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// fixture is a service as containerd reaches it.
type fixture struct {
	*testing.T
	ctx     context.Context // with containerd's namespace
	service *Service
	client  taskapi.TTRPCTaskService
	conn    *ttrpc.Client
	shut    atomic.Int32 // calls of shutdown
	closing sync.Once
}

// close has the service publish what is left.
func (f *fixture) close() {
	f.Helper()
	f.closing.Do(func() { f.must(f.service.Close()) })
}

// serve makes a service that publishes to p, behind a socket of its own.
func serve(t *testing.T, p events.Publisher) *fixture {
	t.Helper()
	f := &fixture{T: t, ctx: namespaces.WithNamespace(t.Context(), "task-test")}
	f.service = New(context.Background(), container.Shared{RunDir: t.TempDir()}, p, func() { f.shut.Add(1) })
	t.Cleanup(f.close)
	server, err := ttrpc.NewServer()
	f.must(err)
	f.service.Register(server)
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	f.must(err)
	go func() { _ = server.Serve(context.Background(), listener) }() // ends with Close
	t.Cleanup(func() { f.must(server.Close()) })
	conn, err := net.Dial("unix", socket)
	f.must(err)
	f.conn = ttrpc.NewClient(conn)
	t.Cleanup(func() { _ = f.conn.Close() })
	f.client = taskapi.NewTTRPCTaskClient(f.conn)
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// busybox is where Debian's package busybox-static puts the program.
const busybox = "/bin/busybox"

// bundle makes a bundle for a container that runs a shell command.
func (f *fixture) bundle(id, script string) string {
	f.Helper()
	dir := f.TempDir()
	root := filepath.Join(dir, "root")
	for _, sub := range []string{"bin", "proc", "dev"} {
		f.must(os.MkdirAll(filepath.Join(root, sub), 0o755))
	}
	f.must(os.Chmod(dir, 0o711))
	program, err := os.ReadFile(busybox)
	f.must(err)
	f.must(os.WriteFile(filepath.Join(root, "bin/sh"), program, 0o755))
	data, err := json.Marshal(spec(id, root, script))
	f.must(err)
	f.must(os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600))
	return dir
}

// parentGroup holds the cgroups of this process's containers.
var parentGroup = fmt.Sprintf("/tango-task-%d", os.Getpid())

func spec(id, root, script string) *specs.Spec {
	return &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: root},
		Process: &specs.Process{Cwd: "/", Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/bin"}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}},
		Linux: &specs.Linux{
			CgroupsPath: parentGroup + "-" + id,
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
			},
		},
	}
}

// idle is a shell command that doesn't end.
const idle = "while :; do sleep 1000; done"

// create makes a container of id, and has it taken away at the end if the test
// leaves it.
func (f *fixture) create(id, script string) {
	f.Helper()
	_, err := f.client.Create(f.ctx, &taskapi.CreateTaskRequest{ID: id, Bundle: f.bundle(id, script)})
	f.must(err)
	f.Cleanup(func() {
		ctx := namespaces.WithNamespace(context.Background(), "task-test")
		if _, err := f.client.Kill(ctx, &taskapi.KillRequest{ID: id, Signal: 9, All: true}); err == nil {
			_, _ = f.client.Wait(ctx, &taskapi.WaitRequest{ID: id})
		}
		_, _ = f.client.Delete(ctx, &taskapi.DeleteRequest{ID: id})
	})
}

// run creates and starts a container.
func (f *fixture) run(id, script string) {
	f.Helper()
	f.create(id, script)
	_, err := f.client.Start(f.ctx, &taskapi.StartRequest{ID: id})
	f.must(err)
}
