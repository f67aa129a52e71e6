package container

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["orphans are reaped"] = orphansAreReaped
	helpers["owned are left alone"] = ownedAreLeftAlone
	helpers["nothing is stolen"] = nothingIsStolen
}

func TestChildren(t *testing.T) {
	for _, name := range []string{"orphans are reaped", "owned are left alone", "nothing is stolen"} {
		t.Run(name, func(t *testing.T) { inHelper(t, name) })
	}
}

// orphan is a process that was handed to this one by the death of its parent. It
// ends when end is called.
type orphan struct {
	pid int
	end func() error
}

func newOrphan() (orphan, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return orphan{}, err
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", "exec 4>&1 >/dev/null; cat <&3 & echo $! >&4")
	cmd.ExtraFiles = []*os.File{r}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return orphan{}, err
	}
	if err := cmd.Start(); err != nil {
		return orphan{}, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err := errors.Join(err, cmd.Wait()); err != nil && !errors.Is(err, io.EOF) {
		return orphan{}, err
	}
	var pid int
	_, err = fmt.Sscan(line, &pid)
	return orphan{pid, w.Close}, err
}

// state is the letter of a process's state; "" when it is gone.
func state(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))[0]
}

// await waits for a state, however long that takes: go test has the time limit.
func await(pid int, want string) {
	for state(pid) != want {
		time.Sleep(time.Millisecond)
	}
}

func subreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

func orphansAreReaped() error {
	if err := subreaper(); err != nil {
		return err
	}
	c := newChildren()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); c.reapOrphans(ctx) }()
	var orphans []orphan
	for range 5 {
		c.begin() // the shell is waited for by exec.Cmd
		o, err := newOrphan()
		c.end()
		if err != nil {
			return err
		}
		orphans = append(orphans, o)
	}
	for _, o := range orphans {
		if s := state(o.pid); s == "" || s == "Z" {
			return fmt.Errorf("orphan is %q, want it alive", s)
		}
		_ = o.end()
	}
	for _, o := range orphans {
		await(o.pid, "")
	}
	cancel()
	<-ended
	return nil
}

func ownedAreLeftAlone() error {
	if err := subreaper(); err != nil {
		return err
	}
	c := newChildren()
	owned, err := newOrphan()
	if err != nil {
		return err
	}
	hidden, err := newOrphan()
	if err != nil {
		return err
	}
	c.own(owned.pid)
	c.own(owned.pid)
	_ = owned.end()
	await(owned.pid, "Z")
	_ = hidden.end()
	await(hidden.pid, "Z")
	c.reap()
	if s := state(owned.pid); s != "Z" {
		return fmt.Errorf("the owned child is %q after a reap, want a zombie", s)
	}
	c.disown(owned.pid)
	if s := state(owned.pid); s != "Z" {
		return fmt.Errorf("the child with two owners is %q after the first has gone, want a zombie", s)
	}
	c.disown(owned.pid)
	for _, o := range []orphan{owned, hidden} {
		if s := state(o.pid); s != "" {
			return fmt.Errorf("the child is %q after its owner has gone, want it reaped", s)
		}
	}
	if len(c.owned) != 0 {
		return fmt.Errorf("still owned: %v", c.owned)
	}
	return nil
}

// nothingIsStolen starts and waits for children while a reaper does its worst.
func nothingIsStolen() error {
	if err := subreaper(); err != nil {
		return err
	}
	c := newChildren()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go c.reapOrphans(ctx)
	var starters, pest sync.WaitGroup
	pest.Go(func() {
		for ctx.Err() == nil {
			c.reap()
			runtime.Gosched()
		}
	})
	errs := make(chan error, 100)
	for range 4 {
		starters.Go(func() {
			for range 10 {
				errs <- runOnce(c)
				errs <- startOnce(c)
			}
		})
	}
	starters.Wait()
	close(errs)
	cancel()
	pest.Wait()
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// runOnce is an operation that starts a process and waits for it.
func runOnce(c *children) error {
	c.begin()
	defer c.end()
	return exec.Command("true").Run()
}

// startOnce leaves a process that is waited for after the operation has ended.
func startOnce(c *children) error {
	c.begin()
	cmd := exec.Command("true")
	err := cmd.Start()
	if err == nil {
		c.own(cmd.Process.Pid)
		defer c.disown(cmd.Process.Pid)
	}
	c.end()
	if err != nil {
		return err
	}
	return cmd.Wait()
}
