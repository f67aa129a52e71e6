package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tango/test/bystander"
	"tango/test/lockwait/contention"
	"tango/test/program"
	"tango/test/sides"
)

// phases is a burst of three seconds.
var phases = times{began: time.Second, started: 2 * time.Second, deleted: 3 * time.Second, settled: 4 * time.Second}

// sampleBurst is a burst with waits of ms in all of one caller, and a few more.
func sampleBurst(ms float64) *burst {
	from := origin{Caller: "namespace_unlock", Path: "namespace_unlock < path_umount", Comm: "runc", Sort: "mutex"}
	other := origin{Caller: "path_mount", Path: "path_mount", Comm: "runc", Sort: "write"}
	return &burst{
		Starts: 100, Ends: 50, Mount: sum{4, ms + 1, ms}, Phases: [3]sum{{3, ms, ms}, {1, 1, 1}, {}}, All: sum{9, 2 * ms, ms},
		Parts:          []part{{other, sum{1, 1, 1}}, {from, sum{3, ms, ms}}},
		Opens:          &bystander.Opens{Count: 100, Due: bystander.Quantiles{P99: 2}},
		OpensInSession: &bystander.Opens{Count: 100, Due: bystander.Quantiles{P99: 7.5}},
	}
}

func TestReport(t *testing.T) {
	r := &report{callers: 1, Sizes: sizes{Containers: 10, UserNamespaces: true}}
	for range 6 {
		r.add(sides.Tango, sampleBurst(9))
		r.add(sides.Stock, sampleBurst(99))
	}
	r.Stock[0].Beside = "another tool's words\n"
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"in all, ms", "0.10 [0.10, 0.10]", "afterwards", "from when due, p99", "7.500", "99.0 ms  3 waits  namespace_unlock", "another tool's words", "user namespaces"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "waits  path_mount") {
		t.Errorf("more callers than wanted in\n%s", out.String())
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := program.Save(path, r); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(data, &back); err != nil || len(back.Tango) != 6 || back.Stock[0].Mount.Total != 100 {
		t.Errorf("read back %+v, %v", back, err)
	}
}

func TestCheck(t *testing.T) {
	r := new(report)
	r.add(sides.Tango, sampleBurst(19))
	r.add(sides.Stock, sampleBurst(99))
	for limit, fails := range map[float64]bool{0: false, 0.1: true, 0.2: false} {
		if err := r.check(limit); (err != nil) != fails {
			t.Errorf("with the limit %v: %v", limit, err)
		}
	}
}

func TestRatioNeedsRounds(t *testing.T) {
	if got := ratio(sides.Samples{{1, 1}, {2, 2}}); got != "0.50" {
		t.Errorf("two rounds gave %q", got)
	}
	if got := ratio(sides.Samples{{1}, {0}}); got != "-" {
		t.Errorf("a ratio to nothing is %q", got)
	}
}

func TestPhases(t *testing.T) {
	for at, want := range map[time.Duration]int{1500 * time.Millisecond: 0, 2500 * time.Millisecond: 1, 3500 * time.Millisecond: 2} {
		if got := phases.phase(at); got != want {
			t.Errorf("%v lies in phase %d, want %d", at, got, want)
		}
	}
}

func TestBeside(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	write := func(script string) {
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("\"$@\" && echo over\n")
	b, err := startBeside(program)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := b.stop(); err != nil || out != "over\n" {
		t.Errorf("it wrote %q, %v", out, err)
	}
	b.giveUp() // after stop there is nothing to do
	write("echo cannot record; exit 1\n")
	if _, err := startBeside(program); err == nil || !strings.Contains(err.Error(), "cannot record") {
		t.Errorf("got %v", err)
	}
	if b, err := startBeside(""); b != nil || err != nil {
		t.Errorf("got %v, %v", b, err)
	}
}

func TestSettings(t *testing.T) {
	s, err := parseSettings([]string{"-containers", "3", "-plain", "-bystander"})
	if err != nil || s.containers != 3 || !s.plain || !s.bystander {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, args := range [][]string{{"-containers", "0"}, {"-after", "-1s"}, {"more"}} {
		if _, err := parseSettings(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

// TestAnalyse has waits of this kernel's functions.
func TestAnalyse(t *testing.T) {
	symbols, err := contention.LoadSymbols()
	if err != nil {
		t.Fatal(err)
	}
	unlock, pipe := addressOf(t, "namespace_unlock"), addressOf(t, "do_pipe2")
	wait := func(ip uint64, from, to time.Duration) contention.Wait {
		return contention.Wait{Began: from, Ended: to, Comm: "sh", Stack: []uint64{1, 2, 3, ip}}
	}
	waits := []contention.Wait{
		wait(unlock, 1100*time.Millisecond, 1200*time.Millisecond),
		wait(unlock, 1900*time.Millisecond, 2200*time.Millisecond),
		wait(pipe, 1100*time.Millisecond, 1200*time.Millisecond),
	}
	b := analyse(waits, phases, symbols, false)
	if b.Mount != (sum{2, 400, 300}) || b.All.Waits != 3 || b.Phases[0].Waits != 1 || b.Phases[1].Total != 300 {
		t.Errorf("got %+v", b)
	}
	if len(b.Parts) != 1 || b.Parts[0].Comm != "sh" || b.Parts[0].Caller != "namespace_unlock" {
		t.Errorf("parts are %+v", b.Parts)
	}
	if b := analyse(waits, phases, symbols, true); len(b.Parts) != 2 || b.Mount.Waits != 2 {
		t.Errorf("of all locks: %+v", b)
	}
}

// addressOf looks a function up as a user would.
func addressOf(t *testing.T, name string) uint64 {
	t.Helper()
	out, err := exec.Command("awk", "$3 == \""+name+"\" { print $1; exit }", "/proc/kallsyms").Output()
	if err != nil {
		t.Fatal(err)
	}
	var address uint64
	for _, digit := range strings.TrimSpace(string(out)) {
		address = address<<4 | uint64(strings.IndexRune("0123456789abcdef", digit))
	}
	if address == 0 {
		t.Fatalf("no function %s", name)
	}
	return address
}
