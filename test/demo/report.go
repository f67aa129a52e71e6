package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"tango/test/harness"
)

// shown is how many of the containers are listed.
const shown = 3

// show lists some of the running containers, as the host and as they see it.
func show(ctx context.Context, n *harness.Node, containers []*harness.Container) {
	processes, err := n.Processes()
	if err != nil {
		fmt.Printf("  cannot list processes: %v\n", err)
		return
	}
	shims, err := n.Shims()
	if err != nil {
		fmt.Printf("  cannot list shims: %v\n", err)
		return
	}
	fmt.Printf("  %d containers run: %d processes, %d of them shims\n", len(containers), len(processes), len(shims))
	for _, c := range containers[:min(shown, len(containers))] {
		mapping, err := harness.UserNSOf(c.Task.Pid())
		if err != nil {
			mapping = err.Error()
		}
		inside, err := c.Output(ctx, "sh", "-c", "echo $(id -un), $(ls /layers | wc -l) layers in /layers, $(wc -l < /proc/mounts) mounts")
		if err != nil {
			inside = err.Error()
		}
		fmt.Printf("  %s: pid %d, uid_map %q, inside: %s\n", c.ID(), c.Task.Pid(), mapping, strings.TrimSpace(inside))
	}
}

// printComparison prints both results in columns, and how they compare.
func printComparison(out io.Writer, s settings, tango, stock result) {
	fmt.Fprintf(out, "\n%d containers of %d layers, each in its own user namespace, %d at a time\n\n", s.containers, s.layers, s.concurrency)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ttango\trunc shim\ttango / runc\t")
	row := func(name, format string, a, b float64) {
		ratio := "-"
		if b != 0 {
			ratio = fmt.Sprintf("%.2f", a/b)
		}
		fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\t%s\t\n", name, a, b, ratio)
	}
	count := float64(s.containers)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	row("starts per second", "%.1f", count/tango.wall.Seconds(), count/stock.wall.Seconds())
	row("create+start p50, ms", "%.0f", ms(tango.quantile(0.5)), ms(stock.quantile(0.5)))
	row("create+start p99, ms", "%.0f", ms(tango.quantile(0.99)), ms(stock.quantile(0.99)))
	row("kill+delete of all, s", "%.2f", tango.deletes.Seconds(), stock.deletes.Seconds())
	row("mount calls per start", "%.1f", float64(tango.calls.Total())/count, float64(stock.calls.Total())/count)
	row("of them umount", "%.1f", float64(tango.calls["umount"])/count, float64(stock.calls["umount"])/count)
	row("peak mounts on the host", "%.0f", float64(tango.peakMounts), float64(stock.peakMounts))
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	fmt.Fprintln(out, "\nOne run each, beside whatever else this machine does: `make bench` measures.")
}
