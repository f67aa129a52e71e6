package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/pkg/oci"

	"tango/test/harness"
	"tango/test/images"
	"tango/test/program"
	"tango/test/sides"
)

// theirs is somebody else's containerd, and what they want to run on it.
type theirs struct {
	address     string
	image       string // empty: one that is made
	snapshotter string
	runtime     string // the one that is tried
	against     string // the one that it is compared with
	binary      string // what the latter executes instead of runc
	systemd     bool   // makes the cgroups
	plain       bool   // no user namespaces but those of the spec
	specFile    string
	exec        string // command line, with spaces between the words
	command     []string

	base *oci.Spec // from specFile
}

// theirNamespace holds all that is made in somebody else's containerd.
const theirNamespace = "tango-bench"

// parseNode reads the command line of the node mode: flags, then a command.
func parseNode(args []string) (*theirs, settings, error) {
	s := settings{
		rounds: 20, warmup: 3, layers: 50, burst: 50, concurrency: 16, bursts: 6, pods: 20, restarts: 1,
		settle: 20 * time.Second, curveBurst: 16, curveBursts: 6,
		overRunning: program.Ints{2, 25, 50}, overConcurrency: program.Ints{1, 4, 16},
	}
	t := &theirs{}
	fs := flag.NewFlagSet("tango bench", flag.ContinueOnError)
	fs.Usage = func() { printNodeUsage(fs) }
	t.flags(fs)
	s.sizes(fs)
	s.series(fs)
	s.common(fs, nodeParts)
	if err := fs.Parse(args); err != nil {
		return nil, s, err
	}
	t.command, s.exec = fs.Args(), strings.Fields(t.exec)
	if s.quick {
		if err := s.shrink(fs); err != nil {
			return nil, s, err
		}
	}
	return t, s, errors.Join(s.check(), t.readSpec())
}

func (t *theirs) flags(fs *flag.FlagSet) {
	fs.StringVar(&t.address, "address", "/run/containerd/containerd.sock", "containerd's `socket`")
	fs.StringVar(&t.image, "image", "", "run this image, which containerd has in any of its namespaces, by its full `name` (default: one that is made, of -layers layers)")
	fs.StringVar(&t.snapshotter, "snapshotter", harness.Snapshotter, "`name` of the snapshotter")
	fs.StringVar(&t.runtime, "runtime", harness.Tango, "the `runtime` that is tried")
	fs.StringVar(&t.against, "against", harness.Stock, "the `runtime` that it is compared with")
	fs.StringVar(&t.binary, "against-binary", "", "`program` that the latter executes instead of runc, such as crun")
	fs.BoolVar(&t.systemd, "systemd-cgroup", false, "have cgroups made by systemd, as most Kubernetes nodes do")
	fs.BoolVar(&t.plain, "plain", false, "without user namespaces, but for those of the -spec")
	fs.StringVar(&t.specFile, "spec", "", "`file` with an OCI spec in JSON, to be used instead of containerd's default and the image's settings")
	fs.StringVar(&t.exec, "exec", "/bin/true", "`command` to execute in running containers, without quotes in it")
}

func printNodeUsage(fs *flag.FlagSet) {
	fmt.Fprint(fs.Output(), `Usage: tango bench [flags] [-- COMMAND [ARG...]]

Measures, on this machine's own containerd, how tango does beside the runtime that
is there: both in turn in every round. The containers run COMMAND (default: they
sleep, or do what the image or the -spec says), in the namespace "`+theirNamespace+`" of
containerd, which is taken away at the end, also after Ctrl-C. Other containers are
not touched, but they share the machine: their work disturbs the measurement, and
bursts of starts disturb them.

`)
	fs.PrintDefaults()
}

// readSpec reads -spec.
func (t *theirs) readSpec() error {
	if t.specFile == "" {
		return nil
	}
	data, err := os.ReadFile(t.specFile)
	if err != nil {
		return err
	}
	t.base = new(oci.Spec)
	if err := json.Unmarshal(data, t.base); err != nil {
		return fmt.Errorf("cannot read the spec %s: %w", t.specFile, err)
	}
	if t.base.Process == nil || t.base.Linux == nil {
		return fmt.Errorf("cannot use the spec %s: it has no process or is not for Linux", t.specFile)
	}
	return nil
}

// measure runs the selected parts in a namespace of its own.
func (t *theirs) measure(ctx context.Context, s settings) (_ *report, retErr error) {
	parts := nodeParts
	wanted, err := s.selected(parts)
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, theirs: t, sides: sides.Two, progress: newProgress(len(wanted))}
	b.progress.Say("measuring on %s, in its namespace %s", t.address, theirNamespace)
	existing := harness.Existing{Address: t.address, Namespace: theirNamespace, SystemdCgroup: t.systemd}
	if b.node, err = harness.Attach(ctx, existing); err != nil {
		return nil, err
	}
	defer func() {
		b.progress.Say("taking everything away")
		retErr = program.Ended(ctx, retErr, b.node.Close())
	}()
	if err := t.getImage(ctx, b); err != nil {
		return nil, err
	}
	versions, err := b.versionsOn(ctx)
	if err != nil {
		return nil, err
	}
	return b.runParts(ctx, wanted, versions)
}

// getImage makes the image, or finds it.
func (t *theirs) getImage(ctx context.Context, b *bench) (err error) {
	if t.image == "" {
		b.progress.Say("making and importing an image of %d layers", b.layers)
		b.image, err = b.node.ImageOn(ctx, images.Config{Layers: b.layers}, t.snapshotter)
		if err != nil {
			err = fmt.Errorf("%w (to run an image that containerd has: -image NAME)", err)
		}
		return err
	}
	b.progress.Say("unpacking %s for the namespace", t.image)
	b.image, err = borrow(ctx, b.node, t.image, t.snapshotter)
	return err
}

// adapt makes a container what they want to run.
func (t *theirs) adapt(n *harness.Node, s sides.Side, spec *harness.Spec) {
	spec.Snapshotter, spec.Base = t.snapshotter, t.base
	spec.Runtime = t.runtime
	if s == sides.Stock {
		spec.Runtime = t.against
		if t.binary != "" {
			spec.Options = n.OptionsWith(t.binary)
		}
	}
	if t.plain {
		spec.UserNS = nil
	}
	switch {
	case len(t.command) > 0:
		spec.Args = t.command
	case t.image != "" || t.base != nil:
		spec.Args = harness.KeepArgs
	}
}

// what names the containers in the report.
func (t *theirs) what(layers int) string {
	name := t.image
	if name == "" {
		name = fmt.Sprintf("%d layers", layers)
	}
	if t.plain {
		return name
	}
	return name + ", user namespace"
}
