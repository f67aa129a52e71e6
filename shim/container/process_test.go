package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"tango/shim/stdio"
)

// journal keeps the events in their order.
type journal struct {
	mu     sync.Mutex
	events []ExitEvent
}

func (j *journal) Exited(e ExitEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) OutOfMemory(string) {}

// ids are the execs' ids in the order of their ends; "" is the first process.
func (j *journal) ids() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var ids []string
	for _, e := range j.events {
		ids = append(ids, e.ExecID)
	}
	return ids
}

// runningContainer is one whose processes are made up: nothing here gets as far
// as libcontainer.
func runningContainer(t *testing.T) (*Container, *journal) {
	t.Helper()
	j := &journal{}
	c := newContainer(&Runtime{events: j, children: newChildren(), oom: newOOMWatchers(t.Context(), j)}, CreateRequest{ID: "c", Namespace: "ns", Bundle: t.TempDir()})
	c.init.state, c.init.pid = Running, os.Getpid()
	giveIO(t, c.init, stdio.Spec{})
	return c, j
}

func giveIO(t *testing.T, p *Process, spec stdio.Spec) {
	t.Helper()
	io, err := stdio.Open(t.Context(), stdio.Config{ContainerID: "c", Namespace: "ns", Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = io.Close() })
	p.adoptIO(io)
}

const trueSpec = `{"cwd":"/","args":["true"]}`

func addExec(t *testing.T, c *Container, id string) *Process {
	t.Helper()
	p, err := c.Exec(ExecRequest{ID: id, Spec: []byte(trueSpec)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func never(int) { panic("announced the start of what can't start") }

func expectError(t *testing.T, err error, text string, is func(error) bool) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || is != nil && !is(err) {
		t.Errorf("err %v, want %q", err, text)
	}
}

func TestUnknownExec(t *testing.T) {
	c, _ := runningContainer(t)
	calls := map[string]func() error{
		"find":   func() error { _, err := c.Process("x"); return err },
		"start":  func() error { return c.StartExec(t.Context(), "x", never) },
		"kill":   func() error { return c.Kill("x", 9, false) },
		"delete": func() error { _, err := c.Delete(t.Context(), "x"); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			expectError(t, call(), "process does not exist x", errdefs.IsNotFound)
		})
	}
}

func TestAddExec(t *testing.T) {
	c, _ := runningContainer(t)
	addExec(t, c, "x")
	_, err := c.Exec(ExecRequest{ID: "x", Spec: []byte(trueSpec)})
	expectError(t, err, "id x", errdefs.IsAlreadyExists)
	_, err = c.Exec(ExecRequest{ID: "y", Spec: []byte("{")})
	expectError(t, err, "JSON", nil)
	c.init.state = Paused
	_, err = c.Exec(ExecRequest{ID: "y", Spec: []byte(trueSpec)})
	expectError(t, err, "cannot exec in a paused state", nil)
}

// What may come before a start does no harm then.
func TestExecBeforeItsStart(t *testing.T) {
	c, _ := runningContainer(t)
	p := addExec(t, c, "x")
	if err := errors.Join(p.Resize(80, 25), p.CloseStdin()); err != nil {
		t.Error(err)
	}
	expectError(t, c.Kill("x", 9, false), "process not created", errdefs.IsFailedPrecondition)
	if p.State() != Created || p.Pid() != 0 || !p.Exit().At.IsZero() {
		t.Errorf("state %d, pid %d, exit %v", p.State(), p.Pid(), p.Exit())
	}
}

// Whoever waits for an exec that is deleted without having run is woken, and
// nobody can start it after that.
func TestDeleteExecThatNeverRan(t *testing.T) {
	c, j := runningContainer(t)
	p := addExec(t, c, "x")
	waited := make(chan error, 1)
	go func() { _, err := p.Wait(context.Background()); waited <- err }()
	if _, err := c.Delete(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	expectError(t, c.deleteExec(t.Context(), p), "cannot delete a deleted process", errdefs.IsNotFound)
	expectError(t, p.Resize(1, 1), "cannot resize a deleted process", nil)
	if ids := j.ids(); len(ids) != 0 {
		t.Errorf("exits %v of what never ran", ids)
	}
	addExec(t, c, "x") // its id is free again
}

// An exec whose start has failed is as it was before, but nobody waits for it. It doesn't
// keep the container from ending.
func TestExecThatFailsToStart(t *testing.T) {
	c, j := runningContainer(t)
	p := addExec(t, c, "x")
	err := c.StartExec(t.Context(), "x", never) // there is no libcontainer state
	expectError(t, err, "OCI runtime exec failed", nil)
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(p.Resize(80, 25), p.CloseStdin()); err != nil {
		t.Error(err)
	}
	expectError(t, c.Kill("x", 9, false), "process not created", errdefs.IsFailedPrecondition)
	if p.State() != Created || p.Pid() != 0 || p.streams() != nil {
		t.Errorf("state %d, pid %d, streams %v", p.State(), p.Pid(), p.streams())
	}
	c.init.exited(Exit{Status: 1, At: time.Now()})
	if ids := j.ids(); len(ids) != 1 || ids[0] != "" {
		t.Errorf("exits %q, want the first process's alone", ids)
	}
	if _, err := c.Delete(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

// An exec can be started again after its start has failed, and is then waited for again.
func TestExecIsStartedAgain(t *testing.T) {
	c, _ := runningContainer(t)
	p := addExec(t, c, "x")
	for range 3 {
		expectError(t, c.StartExec(t.Context(), "x", never), "OCI runtime exec failed", nil)
		<-p.ended()
	}
	p.startBegins()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("not waited for: %v", err)
	}
	if len(c.rt.children.owned) != 0 || c.running != 0 {
		t.Errorf("left: children %v, %d execs that run", c.rt.children.owned, c.running)
	}
}

// Two clients start and delete one exec at once: one of the calls wins, the
// others are refused, and nothing is ended twice.
func TestExecIsStartedAndDeletedAtOnce(t *testing.T) {
	c, _ := runningContainer(t)
	for range 20 {
		p := addExec(t, c, "x")
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _ = c.StartExec(t.Context(), "x", never) })
			all.Go(func() { _, _ = c.Delete(t.Context(), "x") })
			all.Go(func() { _, _ = p.Resize(80, 25), p.CloseStdin() })
			all.Go(func() { _, _ = p.State(), c.ExecOf(1) })
		}
		all.Wait()
		if _, err := c.Process("x"); !errdefs.IsNotFound(err) {
			t.Fatalf("not deleted: %v", err)
		}
		<-p.done
	}
	if c.running != 0 {
		t.Errorf("%d execs count as running", c.running)
	}
}

// The end of a container is reported after the ends of its execs.
func TestFirstProcessEndsLast(t *testing.T) {
	c, j := runningContainer(t)
	p := addExec(t, c, "x")
	giveIO(t, p, stdio.Spec{})
	if !c.execBegins() {
		t.Fatal("no exec can start")
	}
	p.move(Created, Running)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.init.exited(Exit{Status: 137, At: time.Now()})
	}()
	for c.execBegins() { // until the container is known to end
		c.execEnded()
	}
	addExec(t, c, "late")
	expectError(t, c.StartExec(t.Context(), "late", never), "container c init process is not running", nil)
	if s := c.init.State(); s != Running {
		t.Errorf("state %d while an exec runs", s)
	}
	p.exited(Exit{Status: 3, At: time.Now()})
	<-ended
	if ids := j.ids(); len(ids) != 2 || ids[0] != "x" || ids[1] != "" {
		t.Errorf("exits %q, want the exec's first", ids)
	}
	exit, err := c.init.Wait(t.Context())
	if err != nil || exit.Status != 137 || c.init.State() != Stopped {
		t.Errorf("exit %v, %v, state %d", exit, err, c.init.State())
	}
	expectError(t, c.Kill("x", 9, false), "process not created", nil) // it had no libcontainer process
	r, err := loadExit(c.Bundle)
	if err != nil || r.Status != 137 || r.Pid != os.Getpid() {
		t.Errorf("record %+v, %v", r, err)
	}
}

// Who hears that an exec can't be started, since the container has ended meanwhile, finds
// the container ended.
func TestExecFailsAsTheContainerEnds(t *testing.T) {
	c, _ := runningContainer(t)
	dir := t.TempDir()
	script := "#!/bin/sh\nuntil [ -e " + dir + "/open ]; do sleep 0.01; done\nexec 5>&-\nread x <&3\n"
	if err := os.WriteFile(filepath.Join(dir, "logger"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ExecRequest{ID: "x", Spec: []byte(trueSpec), Stdio: stdio.Spec{Stdout: "binary://" + dir + "/logger"}}); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- c.StartExec(t.Context(), "x", never) }()
	awaitThat(c, func() bool { return c.running == 1 })
	go c.init.exited(Exit{Status: 137, At: time.Now()})
	awaitThat(c, func() bool { return c.initGone })
	if err := os.WriteFile(filepath.Join(dir, "open"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expectError(t, <-failed, "OCI runtime exec failed", nil)
	if s := c.init.State(); s != Stopped {
		t.Errorf("state %d, want stopped", s)
	}
}

// awaitThat waits until something is so of the container.
func awaitThat(c *Container, so func() bool) {
	for done := false; !done; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		done = so()
		c.mu.Unlock()
	}
}

func TestWaitEndsWithItsCaller(t *testing.T) {
	c, _ := runningContainer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.init.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
}

func TestPausedAsAWhole(t *testing.T) {
	c, _ := runningContainer(t)
	p := addExec(t, c, "x")
	c.init.move(Created, Stopped) // it isn't in that state
	if c.init.State() != Running {
		t.Error("moved from a state it was not in")
	}
	c.init.move(Running, Paused)
	if c.init.State() != Paused || p.State() != Paused {
		t.Errorf("states %d and %d, want paused", c.init.State(), p.State())
	}
	c.pausing.Store(true)
	if p.State() != Pausing {
		t.Errorf("state %d, want pausing", p.State())
	}
}

// A container that waits to be restored has no process yet.
func TestRestorableContainer(t *testing.T) {
	c, _ := runningContainer(t)
	c.init.state, c.init.pid = Restorable, 0
	expectError(t, c.Kill("", 9, true), "no such container", errdefs.IsNotFound)
	_, err := c.Pids()
	expectError(t, err, "no such container", errdefs.IsNotFound)
	_, err = c.Stats()
	expectError(t, err, "cgroup does not exist", errdefs.IsNotFound)
	root := map[string]string{"devices": "/sys/fs/cgroup/devices/", "memory": "/sys/fs/cgroup/memory/", "pids": "/sys/fs/cgroup/pids/"} // v2 goes by pid
	if err := c.cgroup.open(os.Getpid(), root); err != nil {                                                                            // as after the restore
		t.Errorf("statistics were asked for too early, and now: %v", err)
	}
	if _, err := c.Delete(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.init.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = c.Delete(t.Context(), "")
	expectError(t, err, "cannot delete a deleted process", errdefs.IsNotFound)
}

// Deleting a container also ends the execs that nobody has deleted.
func TestDeleteTakesItsExecsAlong(t *testing.T) {
	c, _ := runningContainer(t)
	idle, stopped := addExec(t, c, "idle"), addExec(t, c, "stopped")
	giveIO(t, stopped, stdio.Spec{})
	stopped.finish(Exit{At: time.Now()})
	c.init.exited(Exit{At: time.Now()})
	if _, err := c.Delete(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	<-idle.done
	if err := stopped.streams().Started(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("streams of an exec are open: %v", err)
	}
}

// A logging binary that has ended by itself must not stay somebody's child for
// ever: its pid will be another process's.
func TestHelpersAreDisowned(t *testing.T) {
	dir := t.TempDir()
	logger := filepath.Join(dir, "logger")
	if err := os.WriteFile(logger, []byte("#!/bin/sh\nexec 5>&-\nread x <&3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, _ := runningContainer(t)
	p := addExec(t, c, "x")
	giveIO(t, p, stdio.Spec{Stdout: "binary://" + logger})
	children := c.rt.children
	if len(children.owned) != 1 {
		t.Fatalf("owned %v, want the logging binary", children.owned)
	}
	for _, pid := range p.io.Pids() {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for len(p.io.Pids()) != 0 {
		time.Sleep(time.Millisecond)
	}
	p.closeIO()
	p.closeIO()
	if len(children.owned) != 0 {
		t.Errorf("still owned: %v", children.owned)
	}
}

func TestKillError(t *testing.T) {
	tests := []struct {
		err  error
		text string
		is   func(error) bool
	}{
		{os.ErrProcessDone, "process already finished", errdefs.IsNotFound},
		{unix.ESRCH, "process already finished", errdefs.IsNotFound},
		{libcontainer.ErrNotRunning, "process already finished", errdefs.IsNotFound},
		{libcontainer.ErrNotExist, "no such container", errdefs.IsNotFound},
		{unix.EPERM, "unknown error after kill: operation not permitted", nil},
	}
	for _, tt := range tests {
		expectError(t, killError(tt.err), tt.text, tt.is)
	}
	if err := killError(nil); err != nil {
		t.Error(err)
	}
}
