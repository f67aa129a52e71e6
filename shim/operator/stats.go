package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"tango/shim/telemetry"
)

const statsDescription = `Sums up what shims and the host's service did since the service was started:
operations by arm, way and result, how long their phases took, mount calls, and
queues and waits of the service. Percentiles are upper limits, from histograms
whose buckets double.

Exit codes: 0; 1 failed, or nobody collects; 2 usage.`

func statsCommand() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "sum up operations, phases, mount calls and waits", Description: statsDescription,
		Flags:        []cli.Flag{runDirFlag(), jsonFlag("print the collector's snapshot as JSON")},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			s, err := telemetry.Fetch(ctx, c.String("run-dir"))
			if err != nil {
				return err
			}
			s.Tracing = nil // may hold secrets, and people pass on what this prints
			if c.Bool("json") {
				return printJSON(c.Root().Writer, s)
			}
			return writeStats(c.Root().Writer, s)
		},
	}
}

// writeStats prints a snapshot for people.
func writeStats(w io.Writer, s telemetry.Snapshot) error {
	fmt.Fprintf(w, "%s, Linux %s, %s\n", s.Node, s.Kernel, s.Hardware)
	fmt.Fprintf(w, "since %s: %s; %d bad, %d dropped by shims, %d not written\n",
		s.Since.Format("2006-01-02 15:04:05 MST"), count(int(s.Records), "record"), s.Bad, s.Dropped, s.Lost)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nOPERATION\tARM\tWAY\tRESULT\tCOUNT\t")
	for _, o := range s.Operations {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t\n", o.Op, o.Arm, cmp.Or(o.Way, "-"), o.Result, o.Count)
	}
	fmt.Fprintln(t, "\nPHASE\tARM\tCOUNT\tMEAN\tMEDIAN\t95%\t99%\t")
	for _, p := range s.Phases {
		h := p.Times
		fmt.Fprintf(t, "%s.%s\t%s\t%d\t%s\t%s\t%s\t%s\t\n", p.Op, p.Phase, p.Arm, h.Count, tidy(h.Sum/time.Duration(max(h.Count, 1))),
			atMost(h, 0.5), atMost(h, 0.95), atMost(h, 0.99))
	}
	if err := errors.Join(t.Flush(), writeCalls(w, s)); err != nil {
		return err
	}
	writeGauges(w, s.Gauges)
	return writeDisabled(w, s.Rollout.Disabled)
}

// writeCalls prints the mount calls of shims, then their other counts.
func writeCalls(w io.Writer, s telemetry.Snapshot) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	times := map[string]uint64{}
	for _, c := range s.Counts {
		if call, ok := strings.CutPrefix(c.Name, "ns."); ok {
			times[call+" "+c.Arm] = c.Count
		}
	}
	fmt.Fprintln(t, "\nCOUNT\tARM\tSUM\tMEAN TIME\t")
	for _, c := range s.Counts {
		if strings.HasPrefix(c.Name, "ns.") {
			continue
		}
		mean := ""
		if ns, ok := times[strings.TrimPrefix(c.Name, "calls.")+" "+c.Arm]; ok && strings.HasPrefix(c.Name, "calls.") {
			mean = tidy(time.Duration(ns / max(c.Count, 1)))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t\n", c.Name, c.Arm, c.Count, mean)
	}
	return t.Flush()
}

// atMost says a quantile as what it is, an upper limit.
func atMost(h telemetry.Histogram, q float64) string { return "≤" + tidy(h.Quantile(q)) }

// writeGauges prints what the service says of itself.
func writeGauges(w io.Writer, gauges map[string]float64) {
	if len(gauges) == 0 {
		return
	}
	fmt.Fprintln(w, "\nservice")
	for _, name := range slices.Sorted(maps.Keys(gauges)) {
		fmt.Fprintf(w, "  %-32s %s\n", name, gaugeText(name, gauges[name]))
	}
}

// gaugeText prints seconds as durations, and all else as it is.
func gaugeText(name string, value float64) string {
	if strings.Contains(name, "_seconds") {
		return tidy(time.Duration(value * float64(time.Second)))
	}
	return fmt.Sprint(value)
}

// tidy rounds a duration to three digits or so.
func tidy(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

// armsOf are the arms that occur, in order.
func armsOf(operations []telemetry.Operation) []string {
	var arms []string
	for _, o := range operations {
		arms = append(arms, o.Arm)
	}
	slices.Sort(arms)
	return slices.Compact(arms)
}
