package operator

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tango/shim/telemetry"
)

// fleet makes the records of some nodes: creates of n pods, half in each arm, which
// take around 40 ms times factor in the tried arm.
type fleet struct {
	nodes, pods int
	factor      float64
	failTried   float64
	onlyTried   string // nodes with this in their name run the tried arm alone
}

func (f fleet) records() []telemetry.Record {
	random := rand.New(rand.NewPCG(1, 2))
	var list []telemetry.Record
	for node := range f.nodes {
		name := fmt.Sprintf("node-%d", node)
		for pod := range f.pods {
			r := telemetry.Record{
				Time: time.Date(2026, 7, 1, 8, 0, pod, 0, time.UTC), Op: telemetry.OpCreate, Arm: "control", Base: "control", ArmWhy: "hash",
				Way: "stock", Container: fmt.Sprint("c", pod), Pod: fmt.Sprint("p", pod), Node: name, Kernel: "6.18.0", Hardware: "64cpu-2socket-2node-2l3-smt",
				Result: telemetry.ResultOK, Counts: map[string]int64{"layers": 20},
			}
			if node%2 == 1 {
				r.Kernel = "6.12.3"
			}
			scale := 1.0
			if pod%2 == 0 || f.onlyTried != "" && strings.Contains(name, f.onlyTried) {
				r.Arm, r.Way, scale = "tango", "plain", f.factor
				if random.Float64() < f.failTried {
					r.Result, r.Error = "rootfs", "cannot mount"
				}
			}
			r.Took = time.Duration(scale * 40e6 * math.Exp(0.3*random.NormFloat64()))
			r.Phases = []telemetry.Phase{{Name: "rootfs", At: 1e6, Took: r.Took / 10}, {Name: "init", At: r.Took / 4, Took: r.Took / 2}}
			list = append(list, r)
		}
	}
	return list
}

func (f fleet) compare(t *testing.T) *Comparison {
	t.Helper()
	c, err := compare(&gathered{records: f.records(), sources: 1}, "control")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func phase(t *testing.T, c *Comparison, name string) PhaseDiff {
	t.Helper()
	i := slices.IndexFunc(c.Phases, func(p PhaseDiff) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no phase %s in %+v", name, c.Phases)
	}
	return c.Phases[i]
}

func TestFasterArm(t *testing.T) {
	c := fleet{nodes: 4, pods: 400, factor: 0.8}.compare(t)
	r := phase(t, c, "create.total").Ratio
	if r == nil || math.Abs(r.Value-0.8) > 0.05 || r.Low > 0.8 || r.High < 0.8 || r.High-r.Low > 0.12 {
		t.Errorf("ratio %+v", r)
	}
	if !strings.Contains(c.verdict(), "tango is faster") || !strings.Contains(c.failures(), "No difference") || len(c.Warnings) != 0 {
		t.Errorf("%s %s %q", c.verdict(), c.failures(), c.Warnings)
	}
	if len(c.Strata) != 2 || c.Strata[0].Nodes != 2 || c.Strata[0].Ratio == nil || c.Nodes != 4 {
		t.Errorf("%+v", c.Strata)
	}
	if c.Phases[0].Name != "create.total" || c.Phases[1].Name != "create.rootfs" {
		t.Errorf("phases are not in the order of time: %s, %s", c.Phases[0].Name, c.Phases[1].Name)
	}
}

// Of two arms that make root filesystems in different phases, the sum is compared.
func TestRootSum(t *testing.T) {
	records := fleet{nodes: 1, pods: 200, factor: 1}.records()
	for i := range records {
		rootfs, place := 30*time.Millisecond, 10*time.Millisecond
		if records[i].Arm == "control" {
			rootfs, place = time.Millisecond, 79*time.Millisecond
		}
		records[i].Phases = []telemetry.Phase{{Name: "rootfs", Took: rootfs}, {Name: "place", At: 50, Took: place}}
	}
	c, err := compare(&gathered{records: records, sources: 1}, "control")
	if err != nil {
		t.Fatal(err)
	}
	if r := phase(t, c, "create.rootfs+place").Ratio; r == nil || r.Value != 0.5 {
		t.Errorf("ratio of the sum %+v", r)
	}
	page, err := c.page()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(page); strings.Contains(text, "create.rootfs</text>") || !strings.Contains(text, "create.rootfs+place</text>") &&
		!strings.Contains(text, "create.rootfs&#43;place</text>") || strings.Count(text, "see their sum") != 2 {
		t.Error("the page compares the parts")
	}
}

func TestSameArm(t *testing.T) {
	c := fleet{nodes: 2, pods: 600, factor: 1}.compare(t)
	if r := phase(t, c, "create.total").Ratio; r == nil || r.clear() || !strings.Contains(c.verdict(), "No difference") {
		t.Errorf("%+v, %s", r, c.verdict())
	}
}

func TestFailingArm(t *testing.T) {
	c := fleet{nodes: 2, pods: 600, factor: 1.5, failTried: 0.1}.compare(t)
	a := c.Arms[0]
	if a.Arm != "tango" || a.Failed == 0 || a.Results["rootfs"] != a.Failed || a.RateIn.Low > 0.1 || a.RateIn.High < 0.1 {
		t.Errorf("%+v", a)
	}
	if !strings.Contains(c.failures(), "tango fails more often") || !strings.Contains(c.verdict(), "tango is slower") {
		t.Error(c.failures(), c.verdict())
	}
}

func TestWarnings(t *testing.T) {
	late := fleet{nodes: 2, pods: 600, factor: 1}.records()
	moved := slices.Clone(late)
	lossy := slices.Clone(late)
	layers := slices.Clone(late)
	for i := range late {
		if late[i].Arm == "control" {
			late[i].Time = late[i].Time.Add(24 * time.Hour)
			layers[i].Counts = map[string]int64{"layers": 50}
		}
		lossy[i].Dropped = 1
	}
	moved[0].ArmWhy = "disabled"
	extra := append(slices.Clone(moved[1:]), telemetry.Record{Time: moved[1].Time, Op: "create", Arm: "private", Container: "x", Result: "ok"})
	for want, records := range map[string][]telemetry.Record{
		"too little data":             fleet{nodes: 1, pods: 50, factor: 1}.records(),
		"different kernels":           fleet{nodes: 2, pods: 600, factor: 1, onlyTried: "node-1"}.records(),
		"different nodes":             fleet{nodes: 3, pods: 600, factor: 1, onlyTried: "node-2"}.records(),
		"different times":             late,
		"own arm was switched off":    moved,
		"never reached a collector":   lossy,
		"layers on average":           layers,
		"records of the arms private": extra,
	} {
		c, err := compare(&gathered{records: records}, "control")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(c.Warnings, "\n"), want) {
			t.Errorf("no %q among %q", want, c.Warnings)
		}
	}
}

func TestNothingToCompare(t *testing.T) {
	one := fleet{nodes: 1, pods: 10, factor: 1, onlyTried: "node"}.records()
	for _, base := range []string{"control", "tango"} {
		if _, err := compare(&gathered{records: one}, base); err == nil || !strings.Contains(err.Error(), "cannot compare") {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// The bootstrap's shortcut must give the distribution that resampling gives.
func TestResampledMedian(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	sample := make(durations, 101)
	for i := range sample {
		sample[i] = time.Duration(1e6 * math.Exp(random.NormFloat64()))
	}
	slices.Sort(sample)
	draw := func(median func() time.Duration) (low, high time.Duration) {
		all := make(durations, 4000)
		for i := range all {
			all[i] = median()
		}
		slices.Sort(all)
		return quantile(all, 0.05), quantile(all, 0.95)
	}
	lowA, highA := draw(func() time.Duration { return resampledMedian(sample, random) })
	lowB, highB := draw(func() time.Duration {
		again := make(durations, len(sample))
		for i := range again {
			again[i] = sample[random.IntN(len(sample))]
		}
		slices.Sort(again)
		return quantile(again, 0.5)
	})
	for _, pair := range [][2]time.Duration{{lowA, lowB}, {highA, highB}} {
		if math.Abs(math.Log(float64(pair[0])/float64(pair[1]))) > 0.05 {
			t.Errorf("%v to %v, resampled %v to %v", lowA, highA, lowB, highB)
		}
	}
}

func writeRecords(t *testing.T, records []telemetry.Record) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "records.jsonl")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := json.NewEncoder(f)
	for _, r := range records {
		if err := e.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestReportCommand(t *testing.T) {
	file := writeRecords(t, fleet{nodes: 2, pods: 300, factor: 0.7}.records())
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer server.Close()
	page := filepath.Join(t.TempDir(), "report.html")
	code, text, stderr := run("ab", "report", "--html", page, file, server.URL+"/records.jsonl")
	if code != exitFine || stderr != "" || !strings.Contains(text, "tango is faster") || !strings.Contains(text, "600 records of 2 nodes") || !strings.Contains(text, "600 records came twice") {
		t.Errorf("code %d, %s\n%s", code, stderr, text)
	}
	t.Log("\n" + text)
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"<script", "src=", "@import", "<link", "http://", "https://", "ZgotmplZ", "NaN"} {
		if strings.Contains(string(html), outside) {
			t.Errorf("the page has %q", outside)
		}
	}
	if n := strings.Count(string(html), "<svg"); n < 4 {
		t.Errorf("%d plots", n)
	}
	code, out, _ := run("ab", "report", "--json", file)
	var c Comparison
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitFine || c.Records != 600 {
		t.Errorf("code %d, %v, %+v", code, err, c)
	}
	if keep := os.Getenv("TANGO_TEST_KEEP_REPORT"); keep != "" { // to look at
		if err := os.WriteFile(keep, html, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A record from a node that somebody else owns must not become part of the page.
func TestPageEscapes(t *testing.T) {
	records := fleet{nodes: 2, pods: 300, factor: 0.7}.records()
	for i := range records {
		records[i].Kernel = `<script>alert("x")</script>`
	}
	c, err := compare(&gathered{records: records}, "control")
	if err != nil {
		t.Fatal(err)
	}
	html, err := c.page()
	if err != nil || strings.Contains(string(html), "<script") {
		t.Errorf("%v: a script is in the page", err)
	}
}

func TestReportErrors(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, name := range []string{"/nonexistent", server.URL, "http://127.0.0.1:1/x"} {
		if code, _, stderr := run("ab", "report", name); code != exitMissing || stderr == "" {
			t.Errorf("%s: code %d, %q", name, code, stderr)
		}
	}
	for _, args := range [][]string{{"ab", "report"}, {"ab", "nonsense"}, {"ab", "disable", "nonsense"}, {"ab", "enable", "a", "b"}, {"ps", "x"}, {"top", "--interval", "1ms"}, {"exporter", "--listen", "0.0.0.0:1"}, {"exporter", "--listen", "x"}} {
		if code, _, _ := run(args...); code != exitUsage {
			t.Errorf("%q: code %d", args, code)
		}
	}
}

func TestSwitchCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	steps := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status"}, exitFine, "no arm is switched off"},
		{[]string{"disable", "detached", "--why", "a try"}, exitFine, "arm detached is disabled"},
		{[]string{"disable", "detached"}, exitFine, "was already disabled"},
		{[]string{"status"}, exitDisabled, "SWITCHED OFF by hand"},
		{[]string{"status", "--json"}, exitDisabled, `"why": "a try"`},
		{[]string{"enable", "detached"}, exitFine, "arm detached is enabled"},
		{[]string{"status"}, exitFine, "no arm is switched off"},
	}
	for _, s := range steps {
		args := append([]string{"ab", s.args[0], "--run-dir", dir}, s.args[1:]...)
		if code, out, stderr := run(args...); code != s.code || !strings.Contains(out, s.want) {
			t.Errorf("%q: code %d, %q, %q", args, code, out, stderr)
		}
	}
}
