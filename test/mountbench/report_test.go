package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tango/test/machine"
	"tango/test/program"
)

// sample returns a report in which every way is ten times as fast as the one
// before.
func sample() *report {
	r := &report{Header: program.Header{Machine: machine.Machine{Kernel: "6.1", CPUs: 2}}, Place: "node 1", CPUs: "2-3", Layers: 50, Rounds: 2}
	for round := range 2 {
		for _, threads := range []int{1, 4, 64} {
			rate := 1
			for _, w := range ways {
				ms := float64(100 * threads / rate)
				r.Points = append(r.Points, point{
					Way: w.name, Threads: threads, Roots: 10 * rate * (1 + round), Seconds: 1,
					P50: ms + 1, P90: ms + 2, P99: ms + 3, Max: ms + 4, Gone: 0.5,
				})
				rate *= 10
			}
		}
	}
	return r
}

func TestTable(t *testing.T) {
	r := sample()
	r.leaveOut("worker", errCannotHere)
	r.leaveOut("worker", errCannotHere)
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"measured on node 1, CPUs 2-3; id-mapped roots of 50 layers; medians of 2 rounds",
		"64 a mount per layer 15 (11-19) - 6,401 6,403 6,404 0.50",
		"4 layers grouped, attached 150 (110-190) 10.0 41 43 44 0.50",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Count(text, "left out") != 1 {
		t.Errorf("a way was left out more than once:\n%s", out.String())
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	if err := program.Save(path, sample()); err != nil {
		t.Fatal(err)
	}
	back, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	var one, two bytes.Buffer
	if err := sample().print(&one); err != nil {
		t.Fatal(err)
	}
	if err := back.print(&two); err != nil || one.String() != two.String() {
		t.Errorf("%v, and\n%s\nis not\n%s", err, two.String(), one.String())
	}
	for _, text := range []string{"", `{"points":[{"way":"none"}]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := load(path); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestDraw(t *testing.T) {
	dir := t.TempDir()
	if err := sample().draw(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mountbench.svg", "mountbench.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	drawing, err := os.ReadFile(filepath.Join(dir, "mountbench.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Throughput", "Latency", "by the worker", "10,000"} {
		if !bytes.Contains(drawing, []byte(want)) {
			t.Errorf("no %q in the drawing", want)
		}
	}
	few := &report{Points: sample().Points[:len(ways)]}
	if err := few.draw(filepath.Join(dir, "none")); err != nil {
		t.Errorf("one number of threads: %v", err)
	}
}

func TestSettings(t *testing.T) {
	s, err := parseSettings([]string{"-threads", "1,3", "-ways", "worker,grouped", "-socket", "1", "-no-smt"})
	if err != nil || s.threads.String() != "1,3" || s.ways.String() != "worker,grouped" || s.place.String() != "socket 1, without SMT siblings" {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, args := range [][]string{
		{"-threads", "0"}, {"-threads", "5000"}, {"-ways", "none"}, {"-layers", "0"}, {"-layers", "501"}, {"-time", "0s"}, {"-rounds", "0"}, {"more"},
	} {
		if _, err := parseSettings(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
