package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tango/test/vm/job"
)

func TestArchiveIsReadByBusybox(t *testing.T) {
	var b bytes.Buffer
	a := newArchive(&b)
	a.file("init", 0o755, []byte("program"))
	a.file("lib/modules/1/a.ko", 0o644, []byte("x"))
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("busybox", "cpio", "-idm")
	cmd.Dir, cmd.Stdin = dir, &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]string{"init": "program", "lib/modules/1/a.ko": "x"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "init")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("init: %v, %v", info.Mode(), err)
	}
}

func TestModulesComeAfterWhatTheyNeed(t *testing.T) {
	tree := moduleTree{
		file:  map[string]string{"ext4": "e.ko", "jbd2": "j.ko", "crc": "c.ko", "loop": "l.ko"},
		needs: map[string][]string{"e.ko": {"j.ko", "c.ko"}},
	}
	got := tree.order([]string{"ext4", "builtin", "loop", "crc"})
	if want := []string{"c.ko", "j.ko", "e.ko", "l.ko"}; !slices.Equal(got, want) {
		t.Errorf("order is %v, want %v", got, want)
	}
}

func TestTopology(t *testing.T) {
	got := strings.Join(topology(job.Machine{CPUs: 6, Nodes: 3, EmptyNodes: 1, Threads: 2}), " ")
	want := "-smp 6,sockets=3,cores=1,threads=2" +
		" -object memory-backend-ram,id=node0,size=1024M -numa node,nodeid=0,cpus=0-1,memdev=node0" +
		" -object memory-backend-ram,id=node1,size=1024M -numa node,nodeid=1,cpus=2-3,memdev=node1" +
		" -numa node,nodeid=2,cpus=4-5"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRows(t *testing.T) {
	for _, m := range machines() {
		if m.CPUs%m.Nodes != 0 || m.CPUs/m.Nodes%m.Threads != 0 || memory%(m.Nodes-m.EmptyNodes) != 0 {
			t.Errorf("%s cannot be dealt out to its nodes", m.Name)
		}
		for _, name := range m.Groups {
			if !slices.ContainsFunc(groups, func(g group) bool { return g.Name == name }) {
				t.Errorf("%s runs group %s, which there is not", m.Name, name)
			}
		}
	}
	rows, err := choice{Kernel: "6.12", Nodes: 4}.rows()
	if err != nil || len(rows) != 1 || rows[0].Name != "6.12-4nodes" || rows[0].CPUs != 8 {
		t.Errorf("got %+v, %v", rows, err)
	}
	short, err := choice{Short: true}.rows()
	if err != nil || len(short) != 2 || !slices.Equal(short[1].Run, fewTests) {
		t.Errorf("the short subset is %+v, %v", short, err)
	}
	if _, err := (choice{Kernel: "5.4"}).rows(); err == nil {
		t.Error("an unknown kernel picks rows")
	}
}

// sources are the tests of the packages that machines and demands name tests of.
var sources = map[string]string{
	"integration": "../integration", "mountcost": "../mountcost", "worker": "../../mounts/worker", "remote": "../../rootfs/remote", "rootfs": "../../rootfs", "sealed": "../../shim/container/sealed",
}

func TestNamedTestsExist(t *testing.T) {
	wantTests(t, "integration", fewTests)
	for pkg, names := range leftOut {
		wantTests(t, pkg, names)
	}
	for _, m := range machines() {
		wantTests(t, "integration", m.Run)
	}
	for _, d := range demands {
		wantTests(t, d.pkg, d.tests)
	}
}

func wantTests(t *testing.T, pkg string, names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sources[pkg], "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of %s: %v", pkg, err)
	}
	var source strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	for _, name := range names {
		name, many := strings.CutSuffix(name, ".*")
		if !many {
			name += "("
		}
		if !strings.Contains(source.String(), "func "+name) {
			t.Errorf("%s has no test %s", pkg, name)
		}
	}
}

// What a kind of machine is there for is run on one of that kind.
func TestDemandsAreRun(t *testing.T) {
	group := map[string]string{"integration": "integration", "worker": "mounts", "remote": "rootfs", "rootfs": "rootfs", "sealed": "shim"}
	for _, d := range demands {
		for _, name := range d.tests {
			if !slices.ContainsFunc(machines(), func(m machine) bool {
				runs := d.pkg != "integration" || m.Run == nil || regexp.MustCompile("^("+strings.Join(m.Run, "|")+")$").MatchString(name)
				return d.of(m.Machine) && m.runs(group[d.pkg]) && runs
			}) {
				t.Errorf("no machine runs %s", name)
			}
		}
	}
}

// fakeGuest is a guest whose events are written by the test.
func fakeGuest(t *testing.T, events ...job.Event) *guest {
	g := &guest{machine: machine{Machine: job.Machine{Name: "m"}}, dir: t.TempDir()}
	g.payload = &payload{group: map[string]string{"p": "g"}, broken: map[string]string{}}
	var b bytes.Buffer
	for _, e := range events {
		if err := json.NewEncoder(&b).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(g.events(), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return g
}

func started(lines ...string) []job.Event {
	events := []job.Event{{Kind: job.Boot, Text: "6.1"}, {Kind: job.Start, Package: "p"}}
	for _, l := range lines {
		events = append(events, job.Event{Kind: job.Output, Package: "p", Text: l})
	}
	return events
}

func TestResultCounts(t *testing.T) {
	events := append(started("\x16=== RUN   TestA", "\x16=== RUN   TestA/way=new", "\x16=== RUN   TestA/way=old", "no",
		"\x16--- FAIL: TestA (0.00s)", "    \x16--- PASS: TestA/way=new (0.00s)", "    \x16--- FAIL: TestA/way=old (0.00s)",
		"\x16=== RUN   TestB", "\x16--- SKIP: TestB (0.00s)", "\x16FAIL"),
		job.Event{Kind: job.End, Package: "p", Exit: 1}, job.Event{Kind: job.Leak, Package: "p", Text: "mount 1 at /x"},
		job.Event{Kind: job.Done})
	r := readResult(t.Context(), fakeGuest(t, events...), nil, time.Second)
	got := r.Groups["g"]
	if got.Pass != 1 || got.Fail != 3 || got.Skip != 1 || r.Problem != "" || !r.failed() {
		t.Errorf("got %+v, %q", got, r.Problem)
	}
	if got.Ways["new"].Pass != 1 || got.Ways["old"].Fail != 1 {
		t.Errorf("ways are %+v, %+v", got.Ways["new"], got.Ways["old"])
	}
}

func TestWhatAMachineIsThereForMayNotBeSkipped(t *testing.T) {
	skips := map[string]*tally{"integration": {Skips: []string{"tango/test/integration TestPressure", "tango/test/integration TestMemoryNodes"}}}
	r := result{Groups: skips}
	r.demandTests(job.Machine{Cgroup: 2, Nodes: 2, EmptyNodes: 1})
	if got := skips["integration"].Failures; len(got) != 1 || !strings.Contains(got[0].Test, "TestPressure") {
		t.Errorf("got %+v", got)
	}
}

func TestResultOfADeadGuest(t *testing.T) {
	g := fakeGuest(t, started("\x16=== RUN   TestA")...)
	if err := os.WriteFile(g.console(), []byte("Kernel panic\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := readResult(t.Context(), g, nil, time.Second)
	if r.Problem == "" || r.Console != "Kernel panic" || r.Groups["g"].Fail != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestGuestProgramIsStatic(t *testing.T) {
	program := filepath.Join(t.TempDir(), "guest")
	if err := buildGuest(t.Context(), "..", program); err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("it needs %v, %v: an initramfs has no libraries", libs, err)
	}
}

// A second boot runs the packages that failed, and all where the emulator gave up.
func TestAgain(t *testing.T) {
	g := &guest{dir: "/scratch/6.1", tests: []job.Test{{Package: "a"}, {Package: "b"}, {Package: "c"}}}
	packages := func(r result) (names []string) {
		for _, t := range g.again(r).tests {
			names = append(names, t.Package)
		}
		return names
	}
	failures := map[string]*tally{"mounts": {Fail: 2, Failures: []failure{{Test: "a TestX/sub"}, {Test: "c: left behind"}}}}
	if got := packages(result{Groups: failures}); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("of failed tests, it runs %v", got)
	}
	if got := packages(result{Groups: failures, Problem: "abort", Aborted: true}); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("where the emulator gave up, it runs %v", got)
	}
	if again := g.again(result{}); again.dir != "/scratch/-again" || g.Name != "" {
		t.Errorf("it boots in %s, and the first is called %q", again.dir, g.Name)
	}
}

// A guest that died has failed, whatever a second boot would say.
func TestFinal(t *testing.T) {
	failed := map[string]*tally{"mounts": {Fail: 1}}
	for _, c := range []struct {
		name string
		r    result
		want bool
	}{
		{"well", result{}, true},
		{"tests failed", result{Groups: failed}, false},
		{"emulator gave up", result{Groups: failed, Problem: "abort", Aborted: true}, false},
		{"panic", result{Problem: "guest ended before its tests did"}, true},
		{"hung, with failed tests", result{Groups: failed, Problem: "guest hung"}, true},
		{"another machine", result{Groups: failed, Checks: []string{"nodes"}}, true},
		{"kernel complained", result{Groups: failed, Kernel: []string{"BUG: "}}, true},
	} {
		if got := c.r.final(); got != c.want {
			t.Errorf("%s: final is %v", c.name, got)
		}
	}
}
