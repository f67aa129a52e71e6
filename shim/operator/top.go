package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"tango/shim/telemetry"
)

const topDescription = `Follows what tango ps and tango stats tell, until it is interrupted: starts and
failures per second by arm, and the pods. The screen is drawn anew each time;
into a file or a pipe, with --json, one line each time.

Exit codes: 0, also when interrupted; 1 failed; 2 usage.`

// Top is one look. It is what tango top --json prints, one a line.
type Top struct {
	Time time.Time `json:"time"`
	// Rates are operations per second since the look before, by "arm result".
	Rates map[string]float64 `json:"rates"`
	Ps    *Ps                `json:"ps"`
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
	t := &Top{Time: time.Now(), Ps: ps, Rates: map[string]float64{}}
	s, err := telemetry.Fetch(ctx, runDir)
	if err == nil {
		s.Tracing = nil // may hold secrets
		t.Stats = &s
	} else if !errors.Is(err, telemetry.ErrNobody) {
		return nil, err
	}
	if before != nil {
		t.Rates = rates(before, t)
	}
	return t, nil
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

// clearScreen moves to the top left and clears what is there.
const clearScreen = "\x1b[H\x1b[2J"

func (t *Top) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSONLine(w, t)
	}
	var b strings.Builder
	b.WriteString(clearScreen)
	fmt.Fprintf(&b, "tango top   %s   %s\n\n", t.Time.Format(time.TimeOnly), t.Ps.RunDir)
	t.writeRates(&b)
	if err := t.Ps.write(&b); err != nil {
		return err
	}
	if t.Stats != nil {
		writeGauges(&b, t.Stats.Gauges)
	}
	_, err := io.WriteString(w, b.String())
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
			fmt.Fprintf(w, "%-8s %-10s %8.1f/s  %6.0f ok  %5.0f failed (%.1f/s)\n", op, arm, t.Rates[ok]+t.Rates[failed], total[ok], total[failed], t.Rates[failed])
		}
	}
	fmt.Fprintln(w)
}
