package rollout

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func half() Config { return Config{Active: true, Percent: 50, Seed: "s"} }

func pod(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func TestNoRolloutIsTango(t *testing.T) {
	d := Config{}.Assign("pod", State{})
	if d != (Decision{Arm: Tango, Base: Control, Why: WhyDefault}) || d.Stock() || d.Way() != "" {
		t.Errorf("%+v", d)
	}
}

// The values are part of the contract: an upgrade must not move pods about.
func TestAssignmentIsStable(t *testing.T) {
	want := "TTTCCTTCTC"
	var got strings.Builder
	for i := range 10 {
		got.WriteByte(half().Assign(pod(i), State{}).Arm[0] - 'a' + 'A')
	}
	if got.String() != want {
		t.Errorf("got %s, want %s", &got, want)
	}
}

func TestShares(t *testing.T) {
	const pods = 20000
	for _, percent := range []float64{0, 0.5, 10, 50, 99, 100} {
		c, first := Config{Active: true, Percent: percent, Seed: "x"}, 0
		for i := range pods {
			if c.Assign(pod(i), State{}).Arm == Tango {
				first++
			}
		}
		p := percent / 100
		want, tolerance := p*pods, 5*math.Sqrt(p*(1-p)*pods)
		if math.Abs(float64(first)-want) > tolerance {
			t.Errorf("%v percent: %d of %d pods", percent, first, pods)
		}
	}
}

// A wider rollout takes pods in and gives none back.
func TestWideningMovesPodsOneWay(t *testing.T) {
	for i := range 500 {
		was := false
		for percent := 0.0; percent <= 100; percent += 7 {
			is := Config{Active: true, Percent: percent}.Assign(pod(i), State{}).Arm == Tango
			if was && !is {
				t.Fatalf("%s left the arm at %v percent", pod(i), percent)
			}
			was = is
		}
	}
}

func TestSeedsAreIndependent(t *testing.T) {
	same := 0
	for i := range 2000 {
		a, b := half(), half()
		b.Seed = "other"
		if a.Assign(pod(i), State{}).Arm == b.Assign(pod(i), State{}).Arm {
			same++
		}
	}
	if same < 850 || same > 1150 {
		t.Errorf("%d of 2000 pods are in the same arm", same)
	}
}

func TestDisabled(t *testing.T) {
	off := func(arms ...string) State {
		s := State{Disabled: map[string]Switch{}}
		for _, a := range arms {
			s.Disabled[a] = Switch{By: ByHand}
		}
		return s
	}
	all := Config{Active: true, Percent: 100}
	none := Config{Active: true, Percent: 0}
	ways := Config{Active: true, Percent: 100, Arms: [2]string{"detached", "private"}}
	tests := []struct {
		name   string
		config Config
		state  State
		want   string
		why    string
	}{
		{"no rollout", Config{}, off(Tango), Control, WhyDisabled},
		{"first", all, off(Tango), Control, WhyDisabled},
		{"second", none, off(Control), Tango, WhyDisabled},
		{"both", all, off(Tango, Control), Control, WhyDisabled},
		{"not mine", all, off(Control), Tango, WhyHash},
		{"ways", ways, off("detached"), "private", WhyDisabled},
		{"both ways", ways, off("detached", "private"), Control, WhyDisabled},
	}
	for _, tt := range tests {
		if d := tt.config.Assign("pod", tt.state); d.Arm != tt.want || d.Why != tt.why {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
}

func TestWayArms(t *testing.T) {
	d := Config{Active: true, Percent: 100, Arms: [2]string{"private", Tango}}.Assign("pod", State{})
	if d.Way() != "private" || d.Stock() {
		t.Errorf("%+v", d)
	}
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		"":            half(),
		"percent":     {Active: true, Percent: 101},
		"percent NaN": {Active: true, Percent: math.NaN()},
		"guard":       {Active: true, Guard: -1},
		"unknown arm": {Active: true, Arms: [2]string{Tango, "youki"}},
		"same":        {Active: true, Arms: [2]string{Tango, Tango}},
	} {
		err := c.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestSwitching(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if s, err := LoadState(dir); err != nil || len(s.Disabled) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, want := range []bool{true, false} {
		if changed, err := Disable(dir, Tango, Switch{By: ByHand, At: at}); err != nil || changed != want {
			t.Fatalf("%d: %v, %v", i, changed, err)
		}
	}
	s, err := LoadState(dir)
	if err != nil || !s.Disabled[Tango].At.Equal(at) || s.Disabled[Tango].By != ByHand {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, want := range []bool{true, false} {
		if changed, err := Enable(dir, Tango); err != nil || changed != want {
			t.Fatalf("%d: %v, %v", i, changed, err)
		}
	}
	if _, err := Disable(dir, "nonsense", Switch{}); err == nil {
		t.Error("disabled an arm that isn't there")
	}
	if _, err := Enable(dir, "nonsense"); err == nil {
		t.Error("enabled an arm that isn't there")
	}
}

func TestSwitchingAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for _, arm := range Names() {
		wg.Go(func() {
			if _, err := Disable(dir, arm, Switch{By: ByHand}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s, err := LoadState(dir); err != nil || len(s.Disabled) != len(Names()) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDamagedStateIsAnError(t *testing.T) {
	for _, text := range []string{"{", `{"disabled": 1}`, strings.Repeat(" ", maxState+1)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadState(dir); err == nil || !strings.Contains(err.Error(), stateFile) {
			t.Errorf("%.20q: %v", text, err)
		}
		if _, err := Disable(dir, Tango, Switch{}); err == nil {
			t.Errorf("%.20q: overwritten", text)
		}
	}
}

// note feeds n outcomes of which failed fail, each in a pod of its own.
func note(g *Guard, arm string, n, failed int, at time.Time) {
	for i := range n {
		g.Note(Outcome{At: at, Arm: arm, Pod: pod(i), Failed: i < failed})
	}
}

func TestGuard(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name           string
		a, aFailed     int
		b, bFailed     int
		points         float64
		switchedOff    bool
		firstIsTheBase bool
	}{
		{"nothing known", 0, 0, 0, 0, 0, false, false},
		{"too few", 19, 19, 100, 0, 0, false, false},
		{"all fail", 20, 20, 100, 0, 0, true, false},
		{"a quarter fails", 40, 10, 100, 0, 0, true, false},
		{"both fail alike", 100, 50, 100, 50, 0, false, false},
		{"may be chance", 20, 2, 100, 0, 0, false, false},
		{"within the bound", 200, 40, 100, 0, 30, false, false},
		{"never", 200, 200, 100, 0, 100, false, false},
		{"nothing to compare with", 50, 25, 0, 0, 0, true, false},
		{"two pods only", 20, 2, 0, 0, 1, false, false},
		{"the base", 50, 50, 0, 0, 0, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := NewGuard()
			note(g, Tango, tt.a, tt.aFailed, now)
			note(g, Control, tt.b, tt.bFailed, now)
			base := Control
			if tt.firstIsTheBase {
				base = Tango
			}
			why, bad := g.Judge(Tango, base, tt.points)
			if bad != tt.switchedOff || bad != (why != "") {
				t.Errorf("%v %q, rates %+v", bad, why, g.Rates())
			}
		})
	}
}

func TestGuardPassesOverOneCrashLoopingPod(t *testing.T) {
	g := NewGuard()
	for range 100 {
		g.Note(Outcome{At: time.Now(), Arm: Tango, Pod: "the same", Failed: true})
	}
	if why, bad := g.Judge(Tango, Control, 0); bad {
		t.Error(why)
	}
}

func TestGuardForgets(t *testing.T) {
	g, now := NewGuard(), time.Now()
	note(g, Tango, 3*window, 3*window, now.Add(-2*memory))
	if r := g.Rates()[Tango]; r.Starts != window {
		t.Errorf("%+v", r)
	}
	note(g, Tango, 30, 0, now)
	if r := g.Rates()[Tango]; r.Starts != 30 || r.Failed != 0 {
		t.Errorf("%+v", r)
	}
	g.Forget(Tango)
	if r := g.Rates()[Tango]; r.Starts != 0 {
		t.Errorf("%+v", r)
	}
}

// Values of the formula from Newcombe, Statistics in Medicine 17 (1998), table I.
func TestWilson(t *testing.T) {
	for _, tt := range []struct {
		k, n      int
		low, high float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}, {0, 0, 0, 1}} {
		low, high := Wilson(tt.k, tt.n)
		if math.Abs(low-tt.low) > 1e-4 || math.Abs(high-tt.high) > 1e-4 {
			t.Errorf("%d of %d: %.4f to %.4f", tt.k, tt.n, low, high)
		}
	}
}

func TestPod(t *testing.T) {
	both := map[string]string{uidAnnotation: "uid", sandboxAnnotation: "sandbox"}
	one := map[string]string{sandboxAnnotation: "sandbox"}
	if got := []string{Pod(both, "id"), Pod(one, "id"), Pod(nil, "id")}; fmt.Sprint(got) != "[uid sandbox id]" {
		t.Error(got)
	}
}
