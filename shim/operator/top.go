package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"tango/shim/telemetry"
)

const topDescription = `Follows what tango ps and tango stats tell, until it is interrupted: operations and
failures per second by arm and how long they took on average since the last look,
what the service says of queues and waits, and the pods. On a terminal the screen
is drawn anew each time, as far as there is room; with --json each look is a line.

Exit codes: 0, also when interrupted; 1 failed; 2 usage.`

// Top is one look. It is what tango top --json prints, one a line.
type Top struct {
	Time time.Time `json:"time"`
	// Rates are operations per second since the look before, by "operation arm ok" and
	// "operation arm failed"; Means are how long they took, by "operation arm".
	Rates map[string]float64       `json:"rates"`
	Means map[string]time.Duration `json:"means"`
	Ps    *Ps                      `json:"ps"`
	// Stats are missing where nobody collects.
	Stats *telemetry.Snapshot `json:"stats,omitempty"`
}

func topCommand() *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "follow pods and operations live", Description: topDescription,
		Flags: []cli.Flag{
			runDirFlag(), jsonFlag("print a line of JSON each time"),
			&cli.DurationFlag{Name: "interval", Usage: "look every `TIME`", Value: 2 * time.Second},
			&cli.IntFlag{Name: "count", Usage: "end after `N` looks; 0 goes on"},
		},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if c.Duration("interval") < 100*time.Millisecond || c.Int("count") < 0 {
				return usageError{errors.New("the interval must be 100ms or longer, and the count not negative")}
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return follow(ctx, c)
		},
	}
}

// follow looks and prints until ctx ends or the count is reached.
func follow(ctx context.Context, c *cli.Command) error {
	var before *Top
	if _, _, ok := screenSize(c.Root().Writer); ok {
		defer fmt.Fprintln(c.Root().Writer) // what the shell prints next comes below
	}
	tick := time.NewTicker(c.Duration("interval"))
	defer tick.Stop()
	for n := 1; ; n++ {
		now, err := look(ctx, c.String("run-dir"), before)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := now.print(c.Root().Writer, c.Bool("json")); err != nil {
			return err
		}
		if n == c.Int("count") {
			return nil
		}
		before = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func look(ctx context.Context, runDir string, before *Top) (*Top, error) {
	ps, err := lookAtPods(ctx, runDir)
	if err != nil {
		return nil, err
	}
	t := &Top{Time: time.Now(), Ps: ps, Rates: map[string]float64{}, Means: map[string]time.Duration{}}
	s, err := telemetry.Fetch(ctx, runDir)
	if err == nil {
		s.Tracing = nil // may hold secrets
		t.Stats = &s
	} else if !errors.Is(err, telemetry.ErrNobody) {
		return nil, err
	}
	if before != nil {
		t.Rates = rates(before, t)
		t.Means = means(before, t)
	}
	return t, nil
}

// means are how long operations took on average between two looks.
func means(before, now *Top) map[string]time.Duration {
	type sum struct {
		count uint64
		took  time.Duration
	}
	sums := func(s *telemetry.Snapshot) map[string]sum {
		all := map[string]sum{}
		if s == nil {
			return all
		}
		for _, p := range s.Phases {
			if p.Phase == "total" {
				all[p.Op+" "+p.Arm] = sum{p.Times.Count, p.Times.Sum}
			}
		}
		return all
	}
	earlier := map[string]sum{}
	if before.Stats != nil && now.Stats != nil && before.Stats.Since.Equal(now.Stats.Since) {
		earlier = sums(before.Stats)
	}
	m := map[string]time.Duration{}
	for name, s := range sums(now.Stats) {
		if n := s.count - earlier[name].count; n > 0 {
			m[name] = (s.took - earlier[name].took) / time.Duration(n)
		}
	}
	return m
}

// rates are operations per second between two looks. A collector that was started
// anew begins with nothing.
func rates(before, now *Top) map[string]float64 {
	r := map[string]float64{}
	if now.Stats == nil {
		return r
	}
	seconds := now.Time.Sub(before.Time).Seconds()
	for name, n := range sums(now.Stats) {
		r[name] = n
	}
	if before.Stats != nil && before.Stats.Since.Equal(now.Stats.Since) {
		for name, n := range sums(before.Stats) {
			r[name] -= n
		}
	}
	for name := range r {
		r[name] /= seconds
	}
	return r
}

// sums are operations by operation, arm, and whether they went well.
func sums(s *telemetry.Snapshot) map[string]float64 {
	sum := map[string]float64{}
	for _, o := range s.Operations {
		how := "failed"
		if o.Result == telemetry.ResultOK {
			how = "ok"
		}
		sum[o.Op+" "+o.Arm+" "+how] += float64(o.Count)
	}
	return sum
}

func (t *Top) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSONLine(w, t)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tango top   %s   %s\n\n", t.Time.Format(time.TimeOnly), t.Ps.RunDir)
	t.writeRates(&b)
	if err := t.Ps.write(&b); err != nil {
		return err
	}
	text := b.String()
	if rows, columns, ok := screenSize(w); ok {
		text = drawn(text, rows, columns)
	}
	_, err := io.WriteString(w, text)
	return err
}

// writeRates prints operations per second, and in all.
func (t *Top) writeRates(w io.Writer) {
	if t.Stats == nil {
		fmt.Fprint(w, "nobody collects telemetry: no rates\n\n")
		return
	}
	for _, op := range []string{telemetry.OpCreate, telemetry.OpStart, telemetry.OpExec, telemetry.OpDelete} {
		for _, arm := range armsOf(t.Stats.Operations) {
			ok, failed := op+" "+arm+" ok", op+" "+arm+" failed"
			total := sums(t.Stats)
			if total[ok]+total[failed] == 0 {
				continue
			}
			mean := ""
			if took, any := t.Means[op+" "+arm]; any {
				mean = tidy(took)
			}
			fmt.Fprintf(w, "%-8s %-10s %8.1f/s  %9s  %6.0f ok  %5.0f failed (%.1f/s)\n", op, arm, t.Rates[ok]+t.Rates[failed], mean, total[ok], total[failed], t.Rates[failed])
		}
	}
	t.writeService(w)
}

// writeService prints in few lines what of the service is not zero.
func (t *Top) writeService(w io.Writer) {
	const perLine = 4
	line := []string{"service:"}
	for _, name := range slices.Sorted(maps.Keys(t.Stats.Gauges)) {
		if value := t.Stats.Gauges[name]; value != 0 {
			line = append(line, strings.TrimSuffix(name, "_total")+" "+gaugeText(name, value))
		}
		if len(line) > perLine {
			fmt.Fprintln(w, strings.Join(line, "   "))
			line = []string{"        "}
		}
	}
	if len(line) > 1 {
		fmt.Fprintln(w, strings.Join(line, "   "))
	}
	fmt.Fprintln(w)
}
