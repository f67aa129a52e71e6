package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/log"

	"tango/mounts/kernel"
	turns "tango/mounts/service"
	"tango/mounts/topology"
	"tango/mounts/worker"
	"tango/rootfs/remote"
	"tango/shim/telemetry"
)

// MountsDir is where the socket of the mount service is, below tango's run directory.
func MountsDir(runDir string) string { return filepath.Join(runDir, "mounts") }

// OpenWorkers starts the mount workers of this machine, one per NUMA node.
func OpenWorkers() (*worker.Workers, error) {
	machine, err := topology.ReadNodes(topology.Roots{})
	if err != nil {
		return nil, fmt.Errorf("cannot find out about the machine's NUMA nodes: %w", err)
	}
	return worker.Open(machine, worker.Config{Abreast: abreast(machine)})
}

// abreast is how many containers may be doing their mount work at once on a node:
// as many as its CPUs can run, but two, since one waits for grace periods now and
// then. With less, CPUs were idle. With more, a burst took as long, and programs
// that have no part in it waited longer for a CPU (docs/numa.md).
func abreast(m *topology.Machine) int {
	most := 2
	for _, n := range m.Nodes() {
		most = max(most, n.CPUs.Len())
	}
	return most
}

// runWorkers runs the mount workers, for all shims, and collects telemetry, until ctx
// is done. A host does without them as well as it can, so errors are only told. The
// returned function waits for the end.
func runWorkers(ctx context.Context, runDir string) (wait func()) {
	var running sync.WaitGroup
	var sources []telemetry.Source
	workers, err := OpenWorkers()
	if err == nil {
		sources = append(sources, telemetry.OfWorkers(workers.Stats))
		running.Go(func() {
			defer workers.Close()
			tell("no turns are lent", lend(ctx, runDir, workers))
		})
	}
	tell("no mount workers", err)
	running.Go(func() { tell("no telemetry", telemetry.Serve(ctx, runDir, sources...)) })
	return running.Wait
}

// lend has the workers build root filesystems, and lends their turns. While another
// service does so, it waits for its end.
func lend(ctx context.Context, runDir string, workers *worker.Workers) error {
	l, err := turns.Listen(MountsDir(runDir))
	for errors.Is(err, turns.ErrServed) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
			l, err = turns.Listen(MountsDir(runDir))
		}
	}
	if err != nil {
		return err
	}
	features, err := kernel.DetectOnce(filepath.Join(runDir, "kernel"))
	tell("some abilities of this kernel could not be found out", err)
	return remote.Serve(ctx, l, remote.Config{Workers: workers, Features: features}, func(line string) { log.L.Info(line) })
}

func tell(what string, err error) {
	if err != nil {
		log.L.WithError(err).Warn("host service: " + what)
	}
}
