package host

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/containerd/log"

	"tango/mounts/topology"
	"tango/mounts/worker"
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
	return worker.Open(machine, worker.Config{Abreast: worker.UsualAbreast(machine)})
}

// runWorkers runs the mount workers, for all shims, and collects telemetry, until ctx
// is done. A host does without them as well as it can, so errors are only told. The
// returned function waits for the end.
func runWorkers(ctx context.Context, runDir string) (wait func()) {
	var running sync.WaitGroup
	var sources []telemetry.Source
	m, err := openMounts(runDir)
	tell("no mount workers", err)
	if err == nil {
		sources = append(sources, telemetry.OfWorkers(m.workers.Stats), m.numbers)
		running.Go(func() {
			defer m.close()
			tell("no root filesystems are built, and no turns lent", m.serve(ctx))
		})
	}
	running.Go(func() { tell("no telemetry", telemetry.Serve(ctx, runDir, sources...)) })
	return running.Wait
}

func tell(what string, err error) {
	if err != nil {
		log.L.WithError(err).Warn("host service: " + what)
	}
}
