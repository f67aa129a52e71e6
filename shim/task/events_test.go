package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	eventtypes "github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/typeurl/v2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/protobuf/types/known/anypb"
)

// publisher is containerd's side: it keeps what it is told, in order.
type publisher struct {
	before func() error // called first; nil does nothing

	inside atomic.Int32
	mu     sync.Mutex
	lines  []string // topic and ids
	clash  bool     // two were published at once
}

// Publish implements events.Publisher.
func (p *publisher) Publish(_ context.Context, topic string, e events.Event) error {
	together := p.inside.Add(1) > 1
	defer p.inside.Add(-1)
	var err error
	if p.before != nil {
		err = p.before()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clash = p.clash || together
	if err == nil {
		p.lines = append(p.lines, strings.TrimPrefix(topic, "/tasks/")+" "+subject(e))
	}
	return err
}

// subject names the container and the exec that an event is about.
func subject(e events.Event) string {
	switch e := e.(type) {
	case *eventtypes.TaskCreate:
		return e.ContainerID
	case *eventtypes.TaskStart:
		return e.ContainerID
	case *eventtypes.TaskExecAdded:
		return e.ContainerID + "/" + e.ExecID
	case *eventtypes.TaskExecStarted:
		return e.ContainerID + "/" + e.ExecID
	case *eventtypes.TaskExit:
		return fmt.Sprintf("%s/%s %d", e.ContainerID, e.ID, e.ExitStatus)
	case *eventtypes.TaskDelete:
		return fmt.Sprintf("%s %d", e.ContainerID, e.ExitStatus)
	}
	return fmt.Sprintf("%T", e)
}

// of returns what was published about one container, in order.
func (p *publisher) of(id string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, line := range p.lines {
		of, _, _ := strings.Cut(strings.Fields(line)[1], "/")
		if of == id {
			found = append(found, line)
		}
	}
	return found
}

// add adds an exec that runs a shell command.
func (f *fixture) add(id, exec, script string) {
	f.Helper()
	process, err := typeurl.MarshalAny(&specs.Process{Cwd: "/", Args: []string{"/bin/sh", "-c", script}})
	f.must(err)
	_, err = f.client.Exec(f.ctx, &taskapi.ExecProcessRequest{ID: id, ExecID: exec, Spec: &anypb.Any{TypeUrl: process.GetTypeUrl(), Value: process.GetValue()}})
	f.must(err)
}

// live goes through a container's whole life with two execs, one of which its end
// takes along, without waiting for what could be waited for.
func (f *fixture) live(id string) error {
	script := map[string]string{"short": "exit 7", "long": idle}
	for _, exec := range []string{"short", "long"} {
		f.add(id, exec, script[exec])
		if _, err := f.client.Start(f.ctx, &taskapi.StartRequest{ID: id, ExecID: exec}); err != nil {
			return err
		}
	}
	if _, err := f.client.Wait(f.ctx, &taskapi.WaitRequest{ID: id, ExecID: "short"}); err != nil {
		return err
	}
	if _, err := f.client.Kill(f.ctx, &taskapi.KillRequest{ID: id, Signal: 9}); err != nil {
		return err
	}
	if _, err := f.client.Wait(f.ctx, &taskapi.WaitRequest{ID: id}); err != nil {
		return err
	}
	_, err := f.client.Delete(f.ctx, &taskapi.DeleteRequest{ID: id})
	return err
}

// lifeOf is what must be published of a container that has lived.
func lifeOf(id string) []string {
	return []string{
		"create " + id, "start " + id,
		"exec-added " + id + "/short", "exec-started " + id + "/short", "exit " + id + "/short 7",
		"exec-added " + id + "/long", "exec-started " + id + "/long", "exit " + id + "/long 137",
		"exit " + id + "/" + id + " 137", "delete " + id + " 137",
	}
}

// checkLife compares what was published of a container. When the short exec ends
// is its own matter, as long as it has started and the container hasn't ended.
func checkLife(t *testing.T, p *publisher, id string) {
	t.Helper()
	short := "exit " + id + "/short 7"
	isShort := func(line string) bool { return line == short }
	got, want := p.of(id), lifeOf(id)
	at, started := slices.Index(got, short), slices.Index(got, "exec-started "+id+"/short")
	if at < started || at > slices.Index(got, "exit "+id+"/"+id+" 137") {
		t.Errorf("%s: the exec's exit is out of place: %v", id, got)
	}
	got, want = slices.DeleteFunc(got, isShort), slices.DeleteFunc(want, isShort)
	if !slices.Equal(got, want) {
		t.Errorf("%s: published\n%v, want\n%v", id, got, want)
	}
}

// liveAll has containers live at the same time.
func (f *fixture) liveAll(count int) []string {
	f.Helper()
	var ids []string
	errs := make(chan error, count)
	for i := range count {
		id := fmt.Sprintf("c%d", i)
		ids = append(ids, id)
		f.run(id, idle)
		go func() { errs <- f.live(id) }()
	}
	for range count {
		f.must(<-errs)
	}
	return ids
}

// Events go out one at a time, each once, in the order of what happened, however
// many containers and execs there are.
func TestEventsInOrder(t *testing.T) {
	if !alone(t) {
		return
	}
	p := &publisher{before: func() error {
		time.Sleep(time.Millisecond) // so that a queue builds up
		return nil
	}}
	f := serve(t, p)
	ids := f.liveAll(6)
	f.close()
	for _, id := range ids {
		checkLife(t, p, id)
	}
	if p.clash {
		t.Error("two events were published at the same time")
	}
}

// A containerd that is down holds nothing up, and is told everything when it is
// back.
func TestEventsWhileNobodyListens(t *testing.T) {
	if !alone(t) {
		return
	}
	back := make(chan struct{})
	p := &publisher{before: func() error {
		<-back
		return nil
	}}
	f := serve(t, p)
	ids := f.liveAll(2)
	if n := len(p.of(ids[0])); n != 0 {
		t.Errorf("%d events were published while nobody listened", n)
	}
	close(back)
	f.close()
	for _, id := range ids {
		checkLife(t, p, id)
	}
}

// An event that can't be published does not take the next ones with it.
func TestEventsThatAreLost(t *testing.T) {
	if !alone(t) {
		return
	}
	var calls atomic.Int32
	p := &publisher{before: func() error {
		if calls.Add(1) == 2 {
			return errors.New("the second one is lost")
		}
		return nil
	}}
	f := serve(t, p)
	f.liveAll(1)
	f.close()
	want := slices.Delete(lifeOf("c0"), 1, 2)
	if got := p.of("c0"); len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
		t.Errorf("published %v, want all but the second of %v", got, lifeOf("c0"))
	}
}
