package host

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/containerd/log"

	"tango/mounts/kernel"
	turns "tango/mounts/service"
	"tango/mounts/worker"
	"tango/rootfs/remote"
)

// mounts are the host's mount workers, and what they build.
type mounts struct {
	runDir  string
	workers *worker.Workers
	builder *remote.Builder
}

// openMounts starts the workers.
func openMounts(runDir string) (*mounts, error) {
	workers, err := OpenWorkers()
	if err != nil {
		return nil, err
	}
	features, err := kernel.DetectOnce(filepath.Join(runDir, "kernel"))
	tell("some abilities of this kernel could not be found out", err)
	builder, err := remote.NewBuilder(remote.Config{Workers: workers, Features: features})
	if err != nil {
		workers.Close()
		return nil, err
	}
	return &mounts{runDir: runDir, workers: workers, builder: builder}, nil
}

func (m *mounts) close() {
	tell("something of what was built is left", m.builder.Close())
	m.workers.Close()
}

// serve has the workers build root filesystems, and lends their turns. While another
// service does so, it waits for its end.
func (m *mounts) serve(ctx context.Context) error {
	dir := MountsDir(m.runDir)
	l, err := turns.Listen(dir)
	for errors.Is(err, turns.ErrServed) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
			l, err = turns.Listen(dir)
		}
	}
	if err != nil {
		return err
	}
	return turns.Serve(ctx, l, turns.Config{
		Workers: m.workers, Work: m.builder.Work, Log: func(line string) { log.L.Info(line) },
	})
}

// numbers are what the service says of what it holds for shims.
func (m *mounts) numbers() map[string]float64 {
	s := m.builder.Stats()
	return map[string]float64{
		"service_layer_mounts": float64(s.Groups), "service_mappings": float64(s.Mappings), "service_builds_kept": float64(s.Kept),
		"service_ungrouped_layers_total": float64(s.Ungrouped),
	}
}
