package hostile

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// rounds of the race; each is a container.
const (
	rounds      = 40
	shortRounds = 5
)

// TestSwappedMountPoint mounts into a volume in which somebody exchanges the mount
// point with a link to the host all the time (CVE-2021-30465, CVE-2024-45310): a
// container may come of it or not, but never anything on the host.
func TestSwappedMountPoint(t *testing.T) {
	h := harness.New(t, harness.Options{})
	n := rounds
	if testing.Short() {
		n = shortRounds
	}
	c := newCanary(t)
	volume := t.TempDir()
	swaps, stop := swap(t, volume, c.dir)
	ran := 0
	for range n {
		s := harness.Spec{
			Args: sh("true"),
			OCI: edit(func(s *oci.Spec) {
				s.Mounts = append(s.Mounts, rbind(volume, "/vol"),
					specs.Mount{Source: "tmpfs", Destination: "/vol/place/inner", Type: "tmpfs"},
					specs.Mount{Source: volume, Destination: "/vol/place/made", Type: "bind", Options: []string{"bind"}})
			}),
		}
		if run(t, h, s, func(string) {}).failed == "" {
			ran++
		}
		c.check(t)
	}
	stop()
	t.Logf("%d of %d containers ran, %d swaps", ran, n, swaps.Load())
	if swaps.Load() < int64(n) {
		t.Errorf("only %d swaps: this was no race", swaps.Load())
	}
}

// swap exchanges a directory and a link to target until it is stopped.
func swap(t *testing.T, volume, target string) (count *atomic.Int64, stop func()) {
	t.Helper()
	place, other := filepath.Join(volume, "place"), filepath.Join(volume, "other")
	must(t, os.Mkdir(place, 0o755))
	must(t, os.Symlink(target, other))
	count = new(atomic.Int64)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			if unix.Renameat2(unix.AT_FDCWD, place, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE) == nil {
				count.Add(1)
			}
		}
	}()
	return count, func() { close(quit); <-done }
}
