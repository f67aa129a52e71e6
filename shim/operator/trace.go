package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"tango/shim/telemetry"
)

const traceDescription = `Shows how a container was created and started, step by step.

With a CONTAINER, its phases are shown as they were recorded. With --next, the
next container that is created and started on this host is waited for, and traced
by the kernel: all mount calls of its shim and of what that starts, libcontainer's
included, those of the host's service meanwhile, and the waits for kernel locks.
Tracing everything slows this host down a little while it lasts.

--perfetto writes the timeline in the form that ui.perfetto.dev and
chrome://tracing open.

Exit codes: 0; 1 failed, or no such container, or none came; 2 usage.`

func traceCommand() *cli.Command {
	return &cli.Command{
		Name: "trace", Usage: "show one start step by step", ArgsUsage: "CONTAINER", Description: traceDescription,
		Flags: []cli.Flag{
			runDirFlag(), jsonFlag("print the timeline as JSON"),
			&cli.BoolFlag{Name: "next", Usage: "wait for the next container, and trace it with its mount calls and lock waits"},
			&cli.DurationFlag{Name: "timeout", Usage: "how long --next waits", Value: 5 * time.Minute},
			&cli.StringFlag{Name: "perfetto", Usage: "also write the timeline to `FILE`, for ui.perfetto.dev", TakesFile: true},
		},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if (c.NArg() == 1) == c.Bool("next") || c.NArg() > 1 {
				return usageError{errors.New("trace takes a container, or --next")}
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			t, err := timelineOf(ctx, c)
			if err != nil {
				return err
			}
			if file := c.String("perfetto"); file != "" {
				if err := t.writePerfetto(file); err != nil {
					return err
				}
			}
			return show(c, t)
		},
	}
}

func timelineOf(ctx context.Context, c *cli.Command) (*Timeline, error) {
	runDir := c.String("run-dir")
	if c.Bool("next") {
		ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		return traceNext(ctx, runDir)
	}
	records := recordsOf(runDir, c.Args().First())
	if len(records) == 0 {
		return nil, fmt.Errorf("cannot find a record of container %q in %s: it was created before anybody collected, or too long ago", c.Args().First(), runDir)
	}
	return newTimeline(records, nil), nil
}

// recordsOf are the last create of a container, and what came after it.
func recordsOf(runDir, id string) []telemetry.Record {
	var records []telemetry.Record
	for _, name := range telemetry.RecordFiles(runDir) {
		f, err := os.Open(name)
		if err != nil {
			continue // not that many yet
		}
		_, _ = telemetry.Read(f, func(r telemetry.Record) {
			if r.Container != id || (r.Op != telemetry.OpCreate && r.Op != telemetry.OpStart) {
				return
			}
			if r.Op == telemetry.OpCreate {
				records = nil
			}
			records = append(records, r)
		})
		_ = f.Close()
	}
	return records
}

// traceNext records what the kernel sees until a container was started.
func traceNext(ctx context.Context, runDir string) (*Timeline, error) {
	if _, err := telemetry.Fetch(ctx, runDir); err != nil {
		return nil, err
	}
	session, err := startTracing()
	if err != nil {
		return nil, err
	}
	defer session.close()
	follower, err := telemetry.NewFollower(runDir)
	if err != nil {
		return nil, err
	}
	defer follower.Close()
	since := time.Now()
	fmt.Fprintln(os.Stderr, "tracing: waiting for the next container")
	records, err := nextStart(ctx, follower, since)
	if err != nil {
		return nil, err
	}
	events, err := session.stop()
	if err != nil {
		return nil, err
	}
	mine := ofProcess(events, records[0].Shim, session.threads)
	services := ofServices(events, servicePids(runDir), session.threads, records[0])
	return newTimeline(records, append(mine, services...)), nil
}

// servicePids are the host's services, one for each version that is in use.
func servicePids(runDir string) (pids []int) {
	for _, p := range processes(runDir) {
		if p.Kind == kindService {
			pids = append(pids, p.Pid)
		}
	}
	return pids
}

// nextStart waits for a create since then and the start of the same container, or a
// create that failed.
func nextStart(ctx context.Context, follower *telemetry.Follower, since time.Time) (records []telemetry.Record, _ error) {
	err := follower.Run(ctx, func(r telemetry.Record) bool {
		switch {
		case r.Op == telemetry.OpCreate && len(records) == 0 && r.Time.After(since):
			records = append(records, r)
			return !r.OK()
		case r.Op == telemetry.OpStart && len(records) > 0 && r.Container == records[0].Container:
			records = append(records, r)
			return true
		}
		return false
	})
	if err == nil && len(records) == 0 {
		err = errors.New("no container was created")
	}
	return records, err
}
