package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/service"
	"tango/mounts/worker"
	"tango/rootfs"
)

// mappedHere leaves out what this kernel can't map.
func mappedHere(t testing.TB) bool {
	t.Helper()
	if err := kernel.OverlayIDMappedLayers.Probe(); err != nil {
		t.Log("NOT TESTED on this kernel: id-mapped layers: ", err)
		return false
	}
	return true
}

// TestBuild: the service builds, the caller attaches, and holds the turn meanwhile.
func TestBuild(t *testing.T) {
	h := serve(t, Config{})
	c := h.client(nil)
	for name, options := range map[string][]string{"plain": nil, "mapped": mapped} {
		if options != nil && !mappedHere(t) {
			continue
		}
		b, err := Build(patient(t), c, h.order(parse(t, layers(t, 3, options...))))
		must(t, err)
		if b.Here || !b.Turn.Served() {
			t.Errorf("%s: built here: %t, lease of the service: %t", name, b.Here, b.Turn.Served())
		}
		if n := h.workers.Turn().Stats().Holders; n != 1 {
			t.Errorf("%s: %d hold the turn", name, n)
		}
		owner := uint32(0)
		if options != nil {
			owner = 100000
		}
		inside(t, b.Root, shows(3, owner))
		b.Turn.Release()
		must(t, b.Root.Close())
		eventually(t, "the turn given back", func() bool { return h.workers.Turn().Stats().Holders == 0 })
	}
	if s := h.workers.Stats(); s.Nodes[0].Built == 0 {
		t.Errorf("the worker built nothing: %+v", s)
	}
	if s := c.Stats(); s.Unreachable+s.Stalled+s.Refused+s.Skipped != 0 {
		t.Errorf("counted %+v", s)
	}
}

// TestSeveralMounts: a root of several mounts comes as several trees.
func TestSeveralMounts(t *testing.T) {
	h := serve(t, Config{})
	ms := layers(t, 2)
	below := t.TempDir()
	must(t, os.WriteFile(filepath.Join(below, "volume"), nil, 0o600))
	must(t, os.Mkdir(filepath.Join(firstLayer(ms), "mnt"), 0o755))
	ms = append(ms, rootfs.Mount{Type: "bind", Source: below, Target: "mnt", Options: []string{"rbind", "ro"}})
	b, err := Build(patient(t), h.client(nil), h.order(parse(t, ms)))
	must(t, err)
	defer b.Turn.Release()
	if b.Here || !b.Root.NeedsLocks() {
		t.Errorf("built here: %t, needs locks: %t", b.Here, b.Root.NeedsLocks())
	}
	inside(t, b.Root, func(at string) error {
		_, err := os.Stat(filepath.Join(at, "mnt/volume"))
		if err == nil && !errors.Is(os.WriteFile(filepath.Join(at, "mnt/new"), nil, 0o600), unix.EROFS) {
			err = errors.New("a read-only bind can be written to")
		}
		return err
	})
	must(t, b.Root.Close())
}

// firstLayer is the topmost one's path.
func firstLayer(ms []rootfs.Mount) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(ms[0].Options[0], "lowerdir="), ":")
	return first
}

// TestShared: containers of one mapping share one mount of their layers' parent, in
// the service, until the last is old.
func TestShared(t *testing.T) {
	if !mappedHere(t) {
		t.Skip("THE PREMISE IS MISSING: nothing is shared without id-mapped layers")
	}
	h := serve(t, Config{Keep: time.Minute, MostKept: 3})
	c := h.client(nil)
	ms := layers(t, 3, mapped...)
	build := func(ms []rootfs.Mount) {
		t.Helper()
		b, err := Build(patient(t), c, h.order(parse(t, ms)))
		must(t, err)
		b.Turn.Release()
		must(t, b.Root.Close())
	}
	build(ms)
	build(ms)
	if s := h.builder.Stats(); s != (Stats{Groups: 1, Mappings: 1, Kept: 2}) {
		t.Errorf("two of a mapping: %+v", s)
	}
	other := append(ms[:0:0], ms...)
	other[0].Options = append(ms[0].Options[:3:3], "uidmap=0:200000:65536", "gidmap=0:200000:65536")
	build(other)
	if s := h.builder.Stats(); s != (Stats{Groups: 2, Mappings: 2, Kept: 3}) {
		t.Errorf("another mapping: %+v", s)
	}
	build(other)
	build(other)
	if s := h.builder.Stats(); s != (Stats{Groups: 1, Mappings: 1, Kept: 3}) {
		t.Errorf("the oldest should have gone: %+v", s)
	}
	old := serve(t, Config{Keep: time.Millisecond})
	b, err := Build(patient(t), old.client(nil), old.order(parse(t, layers(t, 2, mapped...))))
	must(t, err)
	eventually(t, "nothing shared", func() bool { return old.builder.Stats() == (Stats{}) })
	inside(t, b.Root, shows(2, 100000)) // what was handed over does not need it
	b.Turn.Release()
	must(t, b.Root.Close())
}

// TestBuildHere: without a service the same is done by this process's workers, with
// their turn; without any, right here.
func TestBuildHere(t *testing.T) {
	h := open(t, Config{})
	for name, own := range map[string]func() (*worker.Workers, error){
		"own workers":    func() (*worker.Workers, error) { return h.workers, nil },
		"no workers":     nil,
		"broken workers": func() (*worker.Workers, error) { return nil, unix.ENOMEM },
	} {
		built := h.workers.Stats().Nodes[0].Built
		b, err := Build(patient(t), h.client(own), h.order(parse(t, layers(t, 3))))
		must(t, err)
		if !b.Here || b.Turn.Served() {
			t.Errorf("%s: not built here", name)
		}
		byWorker := name == "own workers"
		if n := h.workers.Stats().Nodes[0].Built - built; (n == 1) != byWorker {
			t.Errorf("%s: the worker built %d", name, n)
		}
		if n := h.workers.Turn().Stats().Holders; (n == 1) != byWorker {
			t.Errorf("%s: %d hold the turn", name, n)
		}
		inside(t, b.Root, shows(3, 0))
		b.Turn.Release()
		must(t, b.Root.Close())
	}
}

// TestRefusedBuild: what the service does not do is done here, under its turn.
func TestRefusedBuild(t *testing.T) {
	h := serve(t, Config{})
	own := h.builder.standing
	h.builder.standing = "elsewhere"
	b, err := Build(patient(t), h.client(nil), h.order(parse(t, layers(t, 2))))
	must(t, err)
	if !b.Here || !b.Turn.Served() {
		t.Errorf("built here: %t, lease of the service: %t", b.Here, b.Turn.Served())
	}
	inside(t, b.Root, shows(2, 0))
	b.Turn.Release()
	must(t, b.Root.Close())
	h.stop() // nobody else reads it from here on
	h.builder.standing = own
	for name, payload := range map[string][]byte{
		"nothing":        nil,
		"another format": []byte("2\x00" + own + "\x00auto\x000\x00"),
		"no mounts":      request{standing: own, way: "auto"}.encode(),
		"no way":         request{standing: own, way: "sideways", mounts: layers(t, 2)}.encode(),
		"a bad mount":    request{standing: own, way: "auto", mounts: []rootfs.Mount{{Type: "overlay"}}}.encode(),
		"missing layers": request{standing: own, way: "auto", mounts: []rootfs.Mount{{Type: "bind", Source: "/nonexistent"}}}.encode(),
	} {
		r, err := h.builder.Work(patient(t), service.Request{Node: worker.AnyNode, Payload: payload})
		if err == nil || len(r.Files) != 0 {
			t.Errorf("%s: %d files, %v", name, len(r.Files), err)
		}
	}
}

// TestErrorsAreTheCallers: what can't be built fails with the words that it has
// without a service, and gives back the turn.
func TestErrorsAreTheCallers(t *testing.T) {
	h := serve(t, Config{})
	plan := parse(t, []rootfs.Mount{{Type: "bind", Source: "/nonexistent/source", Options: []string{"rbind"}}})
	_, want := h.preparer.Prepare(patient(t), plan)
	b, err := Build(patient(t), h.client(nil), h.order(plan))
	if err == nil || err.Error() != want.Error() || b != (Built{}) {
		t.Errorf("got %+v, %v, want %v", b, err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Build(ctx, h.client(nil), h.order(parse(t, layers(t, 2)))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	eventually(t, "the turn given back", func() bool { return h.workers.Turn().Stats().Holders == 0 })
}

// TestNonsenseReply: a service whose reply makes no sense is an error, and nothing
// that came with it stays open.
func TestNonsenseReply(t *testing.T) {
	h := open(t, Config{})
	for name, payload := range map[string][]byte{
		"nothing":          nil,
		"another format":   []byte("2\x00auto\x00true\x000\x00"),
		"no way":           reply{way: "sideways", targets: []string{""}}.encode(),
		"too many targets": reply{way: "auto", targets: []string{"", "mnt"}}.encode(),
	} {
		f, err := os.Open("/")
		must(t, err)
		if _, err := adopt(h.preparer, service.Reply{Payload: payload, Files: []*os.File{f}}); err == nil {
			t.Errorf("%s was taken", name)
		}
		if f.Close() == nil {
			t.Errorf("%s: a file stayed open", name)
		}
	}
}

// TestBatches: requests that come together are built together.
func TestBatches(t *testing.T) {
	h := serve(t, Config{})
	const n = 8
	plans := make([]rootfs.Plan, n)
	for i := range plans {
		plans[i] = parse(t, layers(t, 4))
	}
	held, err := h.workers.Lease(patient(t), h.workers.Nodes()[0], patience) // of the node that builds
	must(t, err)
	done := make(chan error, n)
	for _, plan := range plans {
		go func() {
			b, err := Build(patient(t), h.client(nil), h.order(plan))
			if err == nil {
				b.Turn.Release()
				err = b.Root.Close()
			}
			done <- err
		}()
	}
	// One is in the worker's hands, which wait for the turn.
	eventually(t, "all asked", func() bool { return h.workers.Stats().Nodes[0].Queued == n-1 })
	held.Release()
	for range n {
		must(t, <-done)
	}
	if s := h.workers.Stats().Nodes[0]; s.Largest != n || s.Built != n {
		t.Errorf("not one batch: %+v", s)
	}
}
