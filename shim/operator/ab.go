package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"tango/shim/rollout"
	"tango/shim/telemetry"
)

const abDescription = `Runs and judges a rollout that compares two ways to run containers on the same
nodes. Which pods are in which arm is in containerd's configuration, in the
runtime's options:

  rollout = { percent = 10, seed = "2026-07", arms = ["tango", "control"] }

An arm that is switched off takes no more containers on this node, from the very
next create on; nothing needs to be restarted, and running containers go on.`

func abCommand() *cli.Command {
	return &cli.Command{
		Name: "ab", Usage: "compare two ways to run containers", Description: abDescription,
		Commands: []*cli.Command{
			abSwitchCommand("disable", "switch an arm off on this node, at once", disable),
			abSwitchCommand("enable", "switch an arm on again", enable),
			abStatusCommand(), abReportCommand(),
		},
		Action:       unknownSubcommand,
		OnUsageError: usage,
	}
}

func unknownSubcommand(_ context.Context, c *cli.Command) error {
	if c.NArg() == 0 {
		return cli.ShowSubcommandHelp(c)
	}
	return usageError{fmt.Errorf("unknown command %q of %s", c.Args().First(), c.Name)}
}

func abSwitchCommand(name, what string, do func(runDir, arm, why string) (bool, error)) *cli.Command {
	return &cli.Command{
		Name: name, Usage: what, ArgsUsage: "[ARM]",
		Description: "Without an argument the arm is tango.\nArms: " + strings.Join(rollout.Names(), ", ") + ".\n\nExit codes: 0, also if it was so already; 1 failed; 2 usage.",
		Flags: []cli.Flag{
			runDirFlag(),
			&cli.StringFlag{Name: "why", Usage: "a `TEXT` for those who find it so"},
		},
		OnUsageError: usage,
		Action: func(_ context.Context, c *cli.Command) error {
			arm := rollout.Tango
			if c.NArg() > 0 {
				arm = c.Args().First()
			}
			if c.NArg() > 1 || !rollout.IsArm(arm) {
				return usageError{fmt.Errorf("%s takes one arm of %s", name, strings.Join(rollout.Names(), ", "))}
			}
			changed, err := do(c.String("run-dir"), arm, c.String("why"))
			if err != nil {
				return err
			}
			done := "was already " + name + "d"
			if changed {
				done = "is " + name + "d"
			}
			_, err = fmt.Fprintf(c.Root().Writer, "arm %s %s on this node, for every container from now on\n", arm, done)
			return err
		},
	}
}

func disable(runDir, arm, why string) (bool, error) {
	return rollout.Disable(runDir, arm, rollout.Switch{By: rollout.ByHand, At: time.Now().UTC(), Why: why})
}

func enable(runDir, arm, _ string) (bool, error) { return rollout.Enable(runDir, arm) }

// AbStatus is how the arms stand on this node. It is what tango ab status --json
// prints.
type AbStatus struct {
	Disabled map[string]rollout.Switch `json:"disabled"`
	// Rates are of lately; missing where nobody collects.
	Rates map[string]rollout.Rate `json:"rates,omitempty"`
	// Starts are creates since the service was started, by arm.
	Starts map[string]uint64 `json:"starts,omitempty"`
}

// exitDisabled is the exit code that says that an arm is off.
const exitDisabled = 3

// errDisabled says that an arm is off, which was printed.
var errDisabled = errors.New("an arm is switched off")

func abStatusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "say how the arms stand on this node",
		Description:  "Exit codes: 0 no arm is switched off; 1 failed; 2 usage; 3 an arm is switched off.",
		Flags:        []cli.Flag{runDirFlag(), jsonFlag("print it as JSON")},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			s, err := abStatus(ctx, c.String("run-dir"))
			if err != nil {
				return err
			}
			if err := show(c, s); err != nil {
				return err
			}
			if len(s.Disabled) > 0 {
				return errDisabled
			}
			return nil
		},
	}
}

func abStatus(ctx context.Context, runDir string) (*AbStatus, error) {
	state, err := rollout.LoadState(runDir)
	if err != nil {
		return nil, err
	}
	s := &AbStatus{Disabled: state.Disabled, Starts: map[string]uint64{}}
	if s.Disabled == nil {
		s.Disabled = map[string]rollout.Switch{}
	}
	snapshot, err := telemetry.Fetch(ctx, runDir)
	if errors.Is(err, telemetry.ErrNobody) || errors.Is(err, os.ErrPermission) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.Rates = snapshot.Rollout.Rates
	for _, o := range snapshot.Operations {
		if o.Op == telemetry.OpCreate {
			s.Starts[o.Arm] += o.Count
		}
	}
	return s, nil
}

func (s *AbStatus) write(w io.Writer) error {
	if s.Rates == nil {
		fmt.Fprintln(w, "nobody collects telemetry: how the arms do is not known")
	} else {
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "ARM\tCREATES\tLATELY\tFAILED\tRATE\t95% INTERVAL")
		for _, arm := range slices.Sorted(maps.Keys(s.Rates)) {
			r := s.Rates[arm]
			fmt.Fprintf(t, "%s\t%d\t%d\t%d in %s\t%.1f%%\t%.1f%% to %.1f%%\n", arm, s.Starts[arm], r.Starts, r.Failed, count(r.Pods, "pod"),
				100*r.Value(), 100*r.Low, 100*r.High)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if len(s.Disabled) == 0 {
		fmt.Fprintln(w, "no arm is switched off")
	}
	return writeDisabled(w, s.Disabled)
}
