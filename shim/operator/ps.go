package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"tango/shim/rollout"
	"tango/shim/telemetry"
)

const psDescription = `Lists the shims that run, with their pods and containers, their memory, and the
mounts that they hold; then the host's service, and arms of a rollout that are
switched off.

PSS is the memory that a process has for itself, and its part of what it shares
with others. LAYERS are the mounts of image layers that a shim's containers
share, and by how many it is used.

Exit codes: 0, also if nothing runs; 1 failed; 2 usage.`

// Ps is what runs. It is what tango ps --json prints.
type Ps struct {
	RunDir string `json:"runDir"`
	Pods   []Pod  `json:"pods"`
	// Helpers are the host's service and shims that wait for a pod.
	Helpers []Process `json:"helpers"`
	// HostMounts is how many mounts this command's mount namespace has.
	HostMounts int `json:"hostMounts"`
	// Disabled are the arms that are switched off.
	Disabled map[string]rollout.Switch `json:"disabled,omitempty"`
	// Total is the memory of all processes.
	Total Memory `json:"total"`
}

// Pod is a shim with its containers.
type Pod struct {
	Process
	Containers []PodContainer   `json:"containers"`
	Holds      map[string]int64 `json:"holds,omitempty"` // as the shim said last
}

// defaultRunDir is where shims share things if nothing else is said
// (options.DefaultRunDir, whose package this command is too light for).
const defaultRunDir = "/run/tango"

// runDirFlag names the run directory.
func runDirFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "run-dir", Usage: "`DIR` that the host's shims share", Value: defaultRunDir,
		Sources: cli.EnvVars("TANGO_RUN_DIR"), TakesFile: true,
	}
}

func jsonFlag(usage string) cli.Flag { return &cli.BoolFlag{Name: "json", Usage: usage} }

func psCommand() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "list running shims, pods and containers", Description: psDescription,
		Flags:        []cli.Flag{runDirFlag(), jsonFlag("print it as JSON")},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			ps, err := lookAtPods(ctx, c.String("run-dir"))
			if err != nil {
				return err
			}
			return show(c, ps)
		},
	}
}

// lookAtPods gathers what runs.
func lookAtPods(ctx context.Context, runDir string) (*Ps, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("cannot look at shims: only root may (try sudo)")
	}
	ps := &Ps{RunDir: runDir, Pods: []Pod{}, Helpers: []Process{}, HostMounts: mountsOf(os.Getpid())}
	bundles := map[string][]bundle{}
	for _, p := range processes(runDir) {
		ps.Total = ps.Total.plus(p.Memory)
		if p.Kind != kindShim {
			ps.Helpers = append(ps.Helpers, p)
			continue
		}
		dir := filepath.Dir(p.Bundle)
		if _, read := bundles[dir]; !read {
			bundles[dir] = bundlesBeside(p.Bundle)
		}
		ps.Pods = append(ps.Pods, Pod{Process: p, Containers: containersOf(p, bundles[dir])})
	}
	state, err := rollout.LoadState(runDir)
	if err != nil {
		return nil, err
	}
	ps.Disabled = state.Disabled
	return ps, ps.addHolds(ctx)
}

// addHolds adds what the collector was told last. That nobody collects is no
// error: everything else is known without.
func (ps *Ps) addHolds(ctx context.Context) error {
	s, err := telemetry.Fetch(ctx, ps.RunDir)
	if errors.Is(err, telemetry.ErrNobody) {
		return nil
	}
	if err != nil {
		return err
	}
	holds := map[int]map[string]int64{}
	for _, shim := range s.Shims {
		holds[shim.Pid] = shim.Gauges
	}
	for i := range ps.Pods {
		ps.Pods[i].Holds = holds[ps.Pods[i].Pid]
	}
	return nil
}

// write prints it for people.
func (ps *Ps) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAMESPACE\tSHIM\tPID\tPSS\tRSS\tLAYERS\tCONTAINER\tPID\tARM\tMOUNTS")
	for _, pod := range ps.Pods {
		pod.write(t)
	}
	for _, p := range ps.Helpers {
		fmt.Fprintf(t, "-\t(%s)\t%d\t%s\t%s\t\t\t\t\t\n", p.Kind, p.Pid, bytesText(p.Memory.PSS), bytesText(p.Memory.RSS))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	containers := 0
	for _, pod := range ps.Pods {
		containers += len(pod.Containers)
	}
	fmt.Fprintf(w, "\n%s, %s, %s of memory (PSS); the host has %s\n", count(len(ps.Pods), "shim"),
		count(containers, "container"), bytesText(ps.Total.PSS), count(ps.HostMounts, "mount"))
	return writeDisabled(w, ps.Disabled)
}

func (p Pod) write(w io.Writer) {
	first := fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s", p.Namespace, short(p.ID), p.Pid, bytesText(p.Memory.PSS), bytesText(p.Memory.RSS), p.layers())
	if len(p.Containers) == 0 {
		fmt.Fprintf(w, "%s\t-\t\t\t\n", first)
	}
	for _, c := range p.Containers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", first, c.label(), numberOr(c.Pid, "ended"), c.Arm, numberOr(c.Mounts, ""))
		first = "\t\t\t\t\t"
	}
}

// layers are the shared mounts and their users.
func (p Pod) layers() string {
	if p.Holds == nil {
		return "?"
	}
	return fmt.Sprintf("%d/%d", p.Holds["layer_mounts"], p.Holds["layer_mount_users"])
}

func (c PodContainer) label() string {
	if c.Name != "" {
		return c.Pod + ":" + c.Name
	}
	return short(c.ID)
}

// short cuts an id as people do who have seen too many of them.
func short(id string) string {
	const length = 24
	if len(id) <= length {
		return id
	}
	return id[:length]
}

func numberOr(n int, text string) string {
	if n == 0 {
		return text
	}
	return fmt.Sprint(n)
}

// writeDisabled says which arms are off, and how to switch them on.
func writeDisabled(w io.Writer, disabled map[string]rollout.Switch) error {
	for _, arm := range slices.Sorted(maps.Keys(disabled)) {
		s := disabled[arm]
		fmt.Fprintf(w, "arm %s is SWITCHED OFF by %s since %s%s\n  to switch it on: tango ab enable %s\n", arm, s.By,
			s.At.Format("2006-01-02 15:04:05 MST"), strings.TrimRight(": "+s.Why, ": "), arm)
	}
	return nil
}
