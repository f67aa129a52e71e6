package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tango/test/harness"
)

// eventsTimeout is how long the news of an end may take. It is waited for, and
// mostly there.
const eventsTimeout = time.Minute

// prove returns what is left after everything was deleted. containerd itself
// leaves a container's directories when the shim's `delete` failed, and takes them
// away when it is started the next time; so what is left then counts.
//
// A shim that containerd died too early to know of ends by itself, later than
// Settle waits.
func (b *bench) prove(ctx context.Context) []string {
	left, err := b.Settle(ctx)
	if err == nil && len(left) > 0 {
		err = b.reboot(ctx)
	}
	for range 3 {
		if left = b.forgive(left); err != nil || len(left) == 0 {
			break
		}
		left, err = b.Settle(ctx)
	}
	if err != nil {
		return append(left, err.Error())
	}
	return left
}

// forgive takes away the socket of a shim that was killed before containerd had
// reached it, where nobody is left to clean up (docs/reliability.md).
func (b *bench) forgive(left []string) []string {
	if !b.control.killedBefore() && !b.orphans {
		return left
	}
	return slices.DeleteFunc(left, func(what string) bool {
		path, ok := strings.CutPrefix(what, "file "+filepath.Join(b.Dir(), "s")+"/")
		return ok && os.Remove(filepath.Join(b.Dir(), "s", path)) == nil
	})
}

func (b *bench) reboot(ctx context.Context) error {
	if err := b.Restart(ctx); err != nil {
		return err
	}
	if err := b.listen(ctx); err != nil {
		return err
	}
	return b.Purge(ctx)
}

// judge compares the events of a life with what its calls answered.
func (b *bench) judge(ctx context.Context, l *life, killed bool) (wrong []string) {
	if l.created {
		b.awaitEvent(ctx, l, "/tasks/delete")
	}
	seen := b.events.Of(l.id)
	count := func(topic, exec string) (n int) {
		for _, e := range seen {
			if e.Topic == topic && e.Exec == exec {
				n++
			}
		}
		return n
	}
	expect := func(what string, got, atLeast, atMost int) {
		if got < atLeast || got > atMost {
			wrong = append(wrong, fmt.Sprintf("%d events %s, want %d to %d: %s", got, what, atLeast, atMost, topics(seen)))
		}
	}
	one := map[bool]int{true: 1}
	again := one[killed] // containerd reports the end of a lost shim's container itself
	expect("create", count("/tasks/create", ""), one[l.created && !killed], 1)
	expect("start", count("/tasks/start", ""), one[l.started && !killed], 1)
	expect("exit", count("/tasks/exit", l.id), one[l.created], 1+again)
	if l.exec != "" {
		expect("exec exit", count("/tasks/exit", l.exec), one[l.executed && !killed], 1)
	}
	return append(append(wrong, b.statuses(seen, l)...), order(seen, l, killed)...)
}

// statuses wants the events to tell the truth, and one truth. But where two things
// fail, the shim and then its `delete`, containerd can only say that it was killed, or,
// if the `delete` was, that it doesn't know.
func (b *bench) statuses(seen []harness.Event, l *life) (wrong []string) {
	told := map[string]uint32{}
	for _, e := range seen {
		if e.Topic != "/tasks/exit" {
			continue
		}
		want := uint32(initCode)
		if e.Exec != l.id {
			want = execCode
		}
		if e.Status == unknownCode && b.deleteWasKilled(l.id) {
			continue
		}
		if e.Status != want && e.Status != killedCode {
			wrong = append(wrong, fmt.Sprintf("an event says that %s ended with %d, want %d", e.Exec, e.Status, want))
		}
		if first, ok := told[e.Exec]; ok && first != e.Status && e.Status != killedCode {
			wrong = append(wrong, fmt.Sprintf("events say that %s ended with %d and with %d", e.Exec, first, e.Status))
		}
		told[e.Exec] = e.Status
	}
	return wrong
}

// deleteWasKilled tells whether the process was killed that containerd had started for a
// lost shim's container. It asks nobody else.
func (b *bench) deleteWasKilled(id string) bool {
	log, err := b.Log()
	if err != nil {
		return false
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "failed to delete dead shim") && strings.Contains(line, "signal: killed") && strings.Contains(line, " id="+id+" ") {
			return true
		}
	}
	return false
}

// order wants causes before effects.
func order(seen []harness.Event, l *life, killed bool) (wrong []string) {
	if killed {
		return nil // what containerd reports itself comes when it comes
	}
	rank := map[string]int{"/tasks/create": 1, "/tasks/start": 2, "/tasks/exit": 3, "/tasks/delete": 4}
	last := 0
	for _, e := range seen {
		if e.Topic == "/tasks/exit" && e.Exec != l.id {
			continue
		}
		if r := rank[e.Topic]; r != 0 {
			if r < last {
				wrong = append(wrong, "events out of order: "+topics(seen))
			}
			last = r
		}
	}
	return wrong
}

// awaitEvent waits until the container has had such an event.
func (b *bench) awaitEvent(ctx context.Context, l *life, topic string) {
	deadline := time.Now().Add(eventsTimeout)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		for _, t := range b.events.Topics(l.id) {
			if t == topic {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func topics(seen []harness.Event) string {
	var all []string
	for _, e := range seen {
		all = append(all, strings.TrimPrefix(e.Topic, "/tasks/"))
	}
	return strings.Join(all, " ")
}
