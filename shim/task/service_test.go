package task

import (
	"errors"
	"strings"
	"testing"

	taskv2 "github.com/containerd/containerd/api/runtime/task/v2"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/protobuf/types/known/anypb"
)

// expect wants an error of a kind that has crossed the socket, and some words.
func expect(t *testing.T, err error, kind error, words string) {
	t.Helper()
	if err = errgrpc.ToNative(err); err == nil || !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want %v that says %q", err, kind, words)
	}
}

// Every call about a container, or an exec, that is not there says so.
func TestNotFound(t *testing.T) {
	if !alone(t) {
		return
	}
	f := serve(t, &publisher{})
	f.run("here", idle)
	calls := map[string]func(id, exec string) error{
		"State": func(id, exec string) error {
			_, err := f.client.State(f.ctx, &taskapi.StateRequest{ID: id, ExecID: exec})
			return err
		},
		"Start": func(id, exec string) error {
			_, err := f.client.Start(f.ctx, &taskapi.StartRequest{ID: id, ExecID: exec})
			return err
		},
		"Delete": func(id, exec string) error {
			_, err := f.client.Delete(f.ctx, &taskapi.DeleteRequest{ID: id, ExecID: exec})
			return err
		},
		"Kill": func(id, exec string) error {
			_, err := f.client.Kill(f.ctx, &taskapi.KillRequest{ID: id, ExecID: exec, Signal: 9})
			return err
		},
		"Wait": func(id, exec string) error {
			_, err := f.client.Wait(f.ctx, &taskapi.WaitRequest{ID: id, ExecID: exec})
			return err
		},
		"ResizePty": func(id, exec string) error {
			_, err := f.client.ResizePty(f.ctx, &taskapi.ResizePtyRequest{ID: id, ExecID: exec})
			return err
		},
		"CloseIO": func(id, exec string) error {
			_, err := f.client.CloseIO(f.ctx, &taskapi.CloseIORequest{ID: id, ExecID: exec})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			expect(t, call("nowhere", ""), errdefs.ErrNotFound, "container not created")
			expect(t, call("here", "nosuchexec"), errdefs.ErrNotFound, "nosuchexec")
		})
	}
	for name, call := range map[string]func() error{
		"Pause":  func() error { _, err := f.client.Pause(f.ctx, &taskapi.PauseRequest{ID: "nowhere"}); return err },
		"Resume": func() error { _, err := f.client.Resume(f.ctx, &taskapi.ResumeRequest{ID: "nowhere"}); return err },
		"Pids":   func() error { _, err := f.client.Pids(f.ctx, &taskapi.PidsRequest{ID: "nowhere"}); return err },
		"Exec":   func() error { _, err := f.client.Exec(f.ctx, &taskapi.ExecProcessRequest{ID: "nowhere"}); return err },
		"Update": func() error { _, err := f.client.Update(f.ctx, &taskapi.UpdateTaskRequest{ID: "nowhere"}); return err },
		"Stats":  func() error { _, err := f.client.Stats(f.ctx, &taskapi.StatsRequest{ID: "nowhere"}); return err },
		"Checkpoint": func() error {
			_, err := f.client.Checkpoint(f.ctx, &taskapi.CheckpointTaskRequest{ID: "nowhere"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { expect(t, call(), errdefs.ErrNotFound, "container not created") })
	}
}

// A second container of a name is refused while there is the first.
func TestCreateTwice(t *testing.T) {
	if !alone(t) {
		return
	}
	f := serve(t, &publisher{})
	f.create("one", idle)
	_, err := f.client.Create(f.ctx, &taskapi.CreateTaskRequest{ID: "one", Bundle: f.bundle("one", idle)})
	expect(t, err, errdefs.ErrAlreadyExists, "one")
}

// A create that fails says why, publishes nothing, and is in nobody's way.
func TestCreateFails(t *testing.T) {
	if !alone(t) {
		return
	}
	p := &publisher{}
	f := serve(t, p)
	bundle := f.bundle("again", idle)
	for name, test := range map[string]struct {
		request *taskapi.CreateTaskRequest
		kind    error
		words   string
	}{
		"no bundle": {&taskapi.CreateTaskRequest{Bundle: t.TempDir()}, errdefs.ErrUnknown, "config.json"},
		"options":   {&taskapi.CreateTaskRequest{Bundle: bundle, Options: &anypb.Any{TypeUrl: "no.such.Options"}}, errdefs.ErrInvalidArgument, "no.such.Options"},
		"streams":   {&taskapi.CreateTaskRequest{Bundle: bundle, Stdout: "pigeon:///roof"}, errdefs.ErrUnknown, "pigeon"},
	} {
		t.Run(name, func(t *testing.T) {
			test.request.ID = "again"
			_, err := f.client.Create(f.ctx, test.request)
			expect(t, err, test.kind, test.words)
		})
	}
	_, err := f.client.Create(t.Context(), &taskapi.CreateTaskRequest{ID: "again", Bundle: bundle})
	expect(t, err, errdefs.ErrFailedPrecondition, "namespace")
	if got := p.of("again"); len(got) > 0 {
		t.Errorf("published of a container that never was: %v", got)
	}
	f.run("again", idle)
}

// Both versions of the Task API reach the same service: containerd 1.7 speaks the
// older one.
func TestBothVersions(t *testing.T) {
	if !alone(t) {
		return
	}
	f := serve(t, &publisher{})
	f.run("one", idle)
	old, err := taskv2.NewTTRPCTaskClient(f.conn).State(f.ctx, &taskv2.StateRequest{ID: "one"})
	f.must(err)
	state, err := f.client.State(f.ctx, &taskapi.StateRequest{ID: "one"})
	f.must(err)
	if old.Pid == 0 || old.Pid != state.Pid || old.Status != task.Status_RUNNING || state.Status != task.Status_RUNNING {
		t.Errorf("version 2 says %v, version 3 %v", old, state)
	}
	_, err = taskv2.NewTTRPCTaskClient(f.conn).Delete(f.ctx, &taskv2.DeleteRequest{ID: "one"})
	if err == nil || !strings.Contains(err.Error(), "cannot delete a running process") {
		t.Errorf("delete of a running container: %v", err)
	}
}

// Shutdown ends the shim when its last container is gone, and not before.
func TestShutdown(t *testing.T) {
	if !alone(t) {
		return
	}
	f := serve(t, &publisher{})
	f.run("one", "exit 3")
	shutdown := func() int32 {
		_, err := f.client.Shutdown(f.ctx, &taskapi.ShutdownRequest{ID: "one", Now: true})
		f.must(err)
		return f.shut.Load()
	}
	waited, err := f.client.Wait(f.ctx, &taskapi.WaitRequest{ID: "one"})
	f.must(err)
	if n := shutdown(); n != 0 {
		t.Errorf("the shim was ended %d times under a container", n)
	}
	deleted, err := f.client.Delete(f.ctx, &taskapi.DeleteRequest{ID: "one"})
	f.must(err)
	if waited.ExitStatus != 3 || deleted.ExitStatus != 3 || !waited.ExitedAt.AsTime().Equal(deleted.ExitedAt.AsTime()) {
		t.Errorf("wait says %v, delete %v; want exit status 3 and one time", waited, deleted)
	}
	if n := shutdown(); n != 1 {
		t.Errorf("without containers the shim was ended %d times, want once", n)
	}
}

// Connect tells who serves, and of a container its first process.
func TestConnect(t *testing.T) {
	if !alone(t) {
		return
	}
	f := serve(t, &publisher{})
	none, err := f.client.Connect(f.ctx, &taskapi.ConnectRequest{ID: "one"})
	f.must(err)
	f.run("one", idle)
	some, err := f.client.Connect(f.ctx, &taskapi.ConnectRequest{ID: "one"})
	f.must(err)
	if none.ShimPid == 0 || none.ShimPid != some.ShimPid || none.TaskPid != 0 || some.TaskPid == 0 {
		t.Errorf("before there is a container %v, then %v", none, some)
	}
}
