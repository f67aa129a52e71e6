package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"tango/test/vm/job"
)

// result is what one guest came to.
type result struct {
	Machine string
	Release string            // of the kernel that booted
	Boot    float64           // seconds from the kernel's start to the first event
	Seconds float64           // the guest's whole life
	CPU     float64           // seconds of the host's processors
	Groups  map[string]*tally // by group name
	Claims  map[string]bool   `json:",omitempty"` // whether the kernel has it, by TestClaims' subtests
	Checks  []string          // in which the machine is not what its row says
	Kernel  []string          // complaints in the kernel's log
	Problem string            // why the guest did not finish
	Aborted bool              `json:",omitempty"` // the emulator gave up by itself
	Console string            // its console's last lines, where it has a problem
	Excused bool              `json:",omitempty"` // it failed, and what failed passed in a second boot
}

// tally counts tests and subtests.
type tally struct {
	Pass, Fail, Skip int
	Seconds          float64
	Ways             map[string]*tally `json:",omitempty"`
	Failures         []failure         `json:",omitempty"`
	Skips            []string          `json:",omitempty"`
}

// failure is one test that failed, or something that a package left behind.
type failure struct {
	Test   string
	Output string
}

// failed says whether anything is wrong with a guest.
func (r result) failed() bool {
	for _, t := range r.Groups {
		if t.Fail > 0 {
			return true
		}
	}
	return r.Problem != "" || len(r.Checks) > 0 || len(r.Kernel) > 0
}

// line tells of a guest in one line.
func (r result) line() string {
	verdict := "ok"
	if r.failed() {
		verdict = "FAILED"
	}
	return fmt.Sprintf("%-16s %-6s kernel %s, up in %.1f s, %.0f s in all, %.0f s of CPU %s", r.Machine, verdict, r.Release, r.Boot, r.Seconds, r.CPU, r.Problem)
}

// readResult turns a guest's events into its result.
func readResult(ctx context.Context, g *guest, err error, took time.Duration) result {
	r := result{Machine: g.Name, Seconds: took.Seconds(), CPU: g.cpu.Seconds(), Groups: map[string]*tally{}}
	for pkg, output := range g.payload.broken {
		if name := g.payload.group[pkg]; g.runs(name) {
			r.tally(name).fail(pkg+": cannot be built", output)
		}
	}
	done := r.readEvents(ctx, g)
	r.demandTests(g.Machine)
	switch {
	case err != nil:
		r.Problem, r.Aborted = err.Error(), aborted(err)
	case !done:
		r.Problem = "guest ended before its tests did"
	}
	if r.Problem != "" {
		b, _ := os.ReadFile(g.console())
		r.Console = tail(strings.ReplaceAll(string(b), "\r", ""), 80)
	}
	return r
}

// tally returns a group's counts.
func (r *result) tally(group string) *tally {
	if r.Groups[group] == nil {
		r.Groups[group] = &tally{Ways: map[string]*tally{}}
	}
	return r.Groups[group]
}

// readEvents reads the events, as far as they go, and says whether they are all.
func (r *result) readEvents(ctx context.Context, g *guest) bool {
	b, _ := os.ReadFile(g.events())
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 16<<20)
	var output bytes.Buffer
	running, done := "", false
	for in.Scan() {
		var e job.Event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			continue // the last line of a guest that died writing it
		}
		switch e.Kind {
		case job.Start:
			running = e.Package
			output.Reset()
		case job.Output:
			output.WriteString(e.Text + "\n")
		case job.End:
			running = ""
			t := r.tally(g.payload.group[e.Package])
			t.Seconds += e.Seconds
			t.count(ctx, e.Package, output.Bytes(), e.Exit, r.noteClaim)
		case job.Leak:
			r.tally(g.payload.group[e.Package]).leak(e.Package, e.Text)
		case job.Done:
			done = true
		default:
			r.machineEvent(e)
		}
	}
	if running != "" {
		r.tally(g.payload.group[running]).count(ctx, running, output.Bytes(), -1, r.noteClaim)
	}
	return done
}

// machineEvent handles the events that are about no test.
func (r *result) machineEvent(e job.Event) {
	switch {
	case e.Kind == job.Boot:
		r.Release, r.Boot = e.Text, e.Seconds
	case e.Kind == job.Check && e.Failed:
		r.Checks = append(r.Checks, e.Text)
	case e.Kind == job.Kernel:
		r.Kernel = append(r.Kernel, e.Text)
	}
}

// leak adds to the one failure that all leaks of a package are.
func (t *tally) leak(pkg, what string) {
	name := pkg + ": left behind"
	if n := len(t.Failures); n > 0 && t.Failures[n-1].Test == name {
		t.Failures[n-1].Output += "\n" + what
		return
	}
	t.fail(name, what)
}

func (t *tally) fail(test, output string) {
	t.Fail++
	t.Failures = append(t.Failures, failure{Test: test, Output: output})
}

// count adds the tests of one binary's output. A binary that failed without a
// failed test (a panic, a time-out, a TestMain) is a failure by itself. note is
// told what each test wrote.
func (t *tally) count(ctx context.Context, pkg string, output []byte, exit int, note func(test, output string)) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "go", "tool", "test2json", "-p", pkg) // also of an interrupted run
	cmd.Stdin = bytes.NewReader(output)
	events, err := cmd.Output()
	if err != nil {
		t.fail(pkg, "cannot run go tool test2json: "+err.Error())
		return
	}
	before := t.Fail
	outputs := map[string]string{}
	for line := range bytes.Lines(events) {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(line, &e) != nil || e.Test == "" {
			continue
		}
		outputs[e.Test] += e.Output
		t.add(e.Action, pkg, e.Test, outputs[e.Test])
		note(e.Test, outputs[e.Test])
	}
	if exit != 0 && t.Fail == before {
		t.fail(fmt.Sprintf("%s: exit status %d", pkg, exit), tail(string(output), 60))
	}
}

// way finds the name of a way in a test's name.
var way = regexp.MustCompile(`/way=([^/]+)`)

// add counts one test's end, also under the way that its name tells.
func (t *tally) add(action, pkg, test, output string) {
	switch action {
	case "pass":
		t.Pass++
	case "fail":
		t.fail(pkg+" "+test, output)
	case "skip":
		t.Skip++
		t.Skips = append(t.Skips, pkg+" "+test)
	default:
		return
	}
	if m := way.FindStringSubmatch(test); m != nil && t.Ways != nil {
		if t.Ways[m[1]] == nil {
			t.Ways[m[1]] = &tally{}
		}
		t.Ways[m[1]].add(action, pkg, test, "")
	}
}
