// Package mountcost tests what containers cost the kernel's mount locks: how
// many calls a start and its delete make, and that the host's mount table never
// changes. Unlike the tests in integration, these fail with the stock runtime:
// run them with -runtime=runc to see the difference.
package mountcost

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/test/harness"
	"tango/test/harness/trace"
)

// limit is the most calls of a run: all of them, and those that detach.
type limit struct{ calls, detach int }

// tiers are what a kernel with these abilities needs, the first that it has all of.
//
// Of the calls of a whole run, start to delete, libcontainer makes all but these:
// the making of the mount namespace, and one mount, of the overlay. With a user
// namespace the id-mapped clone of the layers takes one call more, and the tmpfs of
// /dev takes the place of libcontainer's. The mount namespace then comes with the user
// namespace, by clone(2), which isn't counted though it copies as unshare does; from
// Linux 7.0 it is made by open_tree, which is. What detaches is pivot_root's old root.
// docs/architecture.md lists every one, and what older kernels take besides: those of
// olderWays, and one more where open_tree_attr is missing. They include the stage,
// which a shim makes once.
var tiers = []struct {
	needs         []*kernel.Feature
	plain, userns limit
}{
	{[]*kernel.Feature{kernel.OpenTreeNamespace, kernel.OverlayDetachedLayer, kernel.OpenTreeAttr}, limit{31, 1}, limit{32, 1}},
	{[]*kernel.Feature{kernel.OverlayDetachedLayer, kernel.OpenTreeAttr}, limit{31, 1}, limit{31, 1}},
	{[]*kernel.Feature{kernel.LowerdirPlus}, limit{31, 1}, limit{45, 4}},
	{nil, limit{48, 5}, limit{47, 5}},
}

// olderWays are what the ways of older kernels need, with and without a user namespace,
// on Linux 6.15: see differs.
var olderWays = []struct {
	way   string
	needs *kernel.Feature
	limit limit
}{
	{"private", kernel.LowerdirPlus, limit{45, 4}},
	{"options", kernel.OverlayIDMappedLayers, limit{47, 5}},
}

// coveredThen are the calls for paths to hide and to make read-only where the limits
// were counted.
const coveredThen = 13

// moreToCover is how many more calls this machine takes for the paths of /proc and /sys
// that a default spec hides, one each, or makes read-only, two each: for those that its
// kernel has.
func moreToCover(t *testing.T) int {
	t.Helper()
	ctx := namespaces.WithNamespace(t.Context(), "any")
	spec, err := oci.GenerateSpec(ctx, nil, &containers.Container{ID: "any"})
	if err != nil {
		t.Fatal(err)
	}
	return there(spec.Linux.MaskedPaths) + 2*there(spec.Linux.ReadonlyPaths) - coveredThen
}

// there is how many of the paths exist.
func there(paths []string) (n int) {
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			n++
		}
	}
	return n
}

// limitsHere are those of this kernel, without and with a user namespace.
func limitsHere(t *testing.T) (plain, userns limit) {
	t.Helper()
	for _, tier := range tiers {
		if !slices.ContainsFunc(tier.needs, func(f *kernel.Feature) bool { return !has(t, f) }) {
			return tier.plain, tier.userns
		}
	}
	panic("the last tier needs nothing")
}

// has says whether this kernel has the feature.
func has(t *testing.T, f *kernel.Feature) bool {
	t.Helper()
	err := f.Probe()
	if err != nil && !errors.Is(err, kernel.ErrNotSupported) {
		t.Fatal(err)
	}
	return err == nil
}

// oncePerShim is how many of the calls a shim makes before it knows its container:
// where it was started beforehand, they may have been made before the count began.
const oncePerShim = 1

// TestCallsOfARun runs a container beside a running one, so that what a host
// pays once isn't in the count, and counts the calls of containerd and all that
// it starts or has started.
func TestCallsOfARun(t *testing.T) {
	plain, mapped := limitsHere(t)
	h := harness.New(t, harness.Options{})
	h.Run(harness.Spec{}) // holds the template and the answers of the probes
	for name, c := range map[string]struct {
		userns *harness.UserNS
		limit  limit
	}{"plain": {nil, plain}, "userns": {harness.NthUserNS(3), mapped}} {
		wantCalls(t, h, name, harness.Spec{UserNS: c.userns}, c.limit)
	}
}

// TestCallsOfOlderWays does the same by the ways that older kernels need, which this
// one has as well.
func TestCallsOfOlderWays(t *testing.T) {
	if harness.Runtime(t) == harness.Stock {
		t.Skip("THE PREMISE IS MISSING: the stock shim has one way only")
	}
	h := harness.New(t, harness.Options{})
	for _, w := range olderWays {
		if !has(t, w.needs) {
			t.Logf("NOT COUNTED: way %s, for which this kernel lacks %s", w.way, w.needs)
			continue
		}
		options := &runtimeoptions.Options{
			ConfigBody: fmt.Appendf(nil, "Root = %q\nWay = %q\n", filepath.Join(h.Dir(), "run/runtime"), w.way),
		}
		for name, userns := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(3)} {
			spec := harness.Spec{UserNS: userns, Options: options}
			running := h.Run(spec) // holds what is shared
			most := w.limit
			most.calls += differs(t, userns)
			wantCalls(t, h, "way="+w.way+"/"+name, spec, most)
			h.Delete(stopped(h, running))
		}
	}
}

// differs is how many more calls this kernel takes than Linux 6.15 by the ways of older
// ones: a clone of a tree and its change are two calls without open_tree_attr, and with
// OPEN_TREE_NAMESPACE it is a call that is counted which makes a user namespace's mounts.
func differs(t *testing.T, userns *harness.UserNS) (calls int) {
	t.Helper()
	if !has(t, kernel.OpenTreeAttr) {
		calls++
	}
	if userns != nil && has(t, kernel.OpenTreeNamespace) {
		calls++
	}
	return calls
}

// wantCalls runs the container with images of several numbers of layers, all of which
// must take no more calls than the limit, and equally many.
func wantCalls(t *testing.T, h *harness.Harness, name string, spec harness.Spec, most limit) {
	t.Helper()
	most.calls += moreToCover(t)
	var first trace.Counts
	for _, layers := range layersToCount() {
		t.Run(fmt.Sprintf("%s/%d", name, layers), func(t *testing.T) {
			spec := spec
			spec.Image, spec.Args = h.Image(layers), []string{"true"}
			run(h, spec) // unpacks the image
			counts := countRun(t, h, spec)
			t.Logf("%d calls: %v", counts.Total(), counts)
			if counts.Total() > most.calls {
				t.Errorf("%d mount calls, want at most %d: %v", counts.Total(), most.calls, counts)
			}
			if counts["umount"] > most.detach {
				t.Errorf("%d unmounts, want at most %d", counts["umount"], most.detach)
			}
			if first == nil {
				first = counts
			}
			if d := counts.Total() - first.Total(); d < -oncePerShim || d > oncePerShim {
				t.Errorf("%d calls, but %d with one layer", counts.Total(), first.Total())
			}
		})
	}
}

// layersToCount are the images' numbers of layers.
func layersToCount() []int {
	if testing.Short() {
		return []int{1, manyLayers()}
	}
	return []int{1, manyLayers(), 100}
}

// manyLayers is how many an image has that is said to have many: unpacking takes an
// emulated machine long, so there it is the same for all tests, and smaller.
func manyLayers() int {
	if testing.Short() {
		return 10
	}
	return 50
}

// countRun counts the calls of a container whose shim was started beforehand, as it is
// where containers come one at a time: one that wasn't makes those of once per shim too.
func countRun(t *testing.T, h *harness.Harness, s harness.Spec) trace.Counts {
	t.Helper()
	for range 10 {
		if calls, late := callsOfRun(t, h, s); !late {
			return count(t, calls)
		}
		t.Log("the next shim wasn't ready: once more")
	}
	t.Fatal("the next shim is never ready when a container comes")
	return nil
}

// callsOfRun are the mount calls of a container's life, but for those of the next shim,
// and whether the container's shim came late: none of those that waited was taken.
func callsOfRun(t *testing.T, h *harness.Harness, s harness.Spec) (_ []trace.Call, late bool) {
	t.Helper()
	if harness.Runtime(t) == harness.Tango {
		awaitNext(t, h)
	}
	waited := waiting(t, h)
	r, err := trace.Start("mountcost", family(t, h)...)
	if err != nil {
		t.Fatal(err)
	}
	run(h, s)
	calls, err := r.StopCalls()
	if err != nil {
		t.Fatal(err)
	}
	next := waiting(t, h)
	late = len(waited) > 0
	for pid := range waited {
		late = late && next[pid]
	}
	return slices.DeleteFunc(calls, func(c trace.Call) bool {
		_, tid, ok := cutLast(c.Process, "-")
		return ok && next[tid]
	}), late
}

func count(t *testing.T, calls []trace.Call) trace.Counts {
	t.Helper()
	counts := make(trace.Counts)
	for _, c := range calls {
		counts[c.Name]++
		if testing.Verbose() {
			t.Log(c)
		}
	}
	return counts
}

// awaitNext waits until the next shim waits: one that is forked just now would be in
// nobody's list, and one that still starts up would not be taken. One that was too slow to
// come is replaced when somebody asks.
func awaitNext(t *testing.T, h *harness.Harness) {
	t.Helper()
	asked := time.Now()
	var last string
	var calm int
	h.Eventually("the next shim waits", func() bool {
		if time.Since(asked) > 2*time.Minute {
			run(h, harness.Spec{Args: []string{"true"}})
			asked = time.Now()
		}
		now := rest(slices.Sorted(maps.Keys(waiting(t, h))))
		if now == "" || now != last {
			last, calm = now, 0
			return false
		}
		calm++
		return calm >= calmLooks
	})
}

// calmLooks is how often a process must be found asleep, without having run in between,
// to be taken for one that waits.
const calmLooks = 10

// rest tells which of these processes sleep with all their threads, and after how much
// CPU time; "" if one does something, or there is none.
func rest(pids []string) string {
	var all []string
	for _, pid := range pids {
		tasks, _ := filepath.Glob("/proc/" + pid + "/task/*/stat")
		for _, task := range tasks {
			data, _ := os.ReadFile(task) // of a thread that may have ended
			_, fields, _ := cutLast(string(data), ")")
			f := strings.Fields(fields)
			if len(f) < 13 || f[0] != "S" {
				return ""
			}
			all = append(all, task, f[11], f[12])
		}
	}
	return strings.Join(all, " ")
}

// waiting are the shims, by their first threads, that have been started beforehand
// and serve nobody yet: what they do is for a container to come.
func waiting(t *testing.T, h *harness.Harness) map[string]bool {
	t.Helper()
	processes, err := h.Processes()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, p := range processes {
		if strings.Contains(p.Command, " warm ") {
			found[strconv.Itoa(p.PID)] = true
		}
	}
	return found
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// family is containerd and all that it has started: what shims of the host share
// may do work for any of them.
func family(t *testing.T, h *harness.Harness) []int {
	t.Helper()
	pids, err := h.Family()
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func run(h *harness.Harness, s harness.Spec) {
	c := h.Run(s)
	h.Wait(c)
	h.Delete(c)
}

// TestHostMountTableDoesNotChange follows the host's mount table by poll(2),
// which the kernel wakes at every change, over the lives of containers.
// containerd issue 11917 asks for just this.
func TestHostMountTableDoesNotChange(t *testing.T) {
	h := harness.New(t, harness.Options{})
	image := h.Image(manyLayers())
	specs := []harness.Spec{
		{Image: image},
		{Image: image, UserNS: harness.NthUserNS(1)},
		{Image: image, UserNS: harness.NthUserNS(2), Terminal: true},
	}
	for _, s := range specs { // unpacks, and remaps, once
		h.Delete(stopped(h, h.Run(s)))
	}
	table := openTable(t)
	for _, s := range specs {
		c := h.Run(s)
		h.Output(c, "true")
		h.Delete(stopped(h, c))
	}
	if lines := table.changed(t); len(lines) > 0 {
		t.Errorf("the host's mount table has changed:\n%s", strings.Join(lines, "\n"))
	}
}

func stopped(h *harness.Harness, c *harness.Container) *harness.Container {
	h.Kill(c, unix.SIGKILL)
	h.Wait(c)
	return c
}

// table is this namespace's mount table, which is the host's: the test has no
// other.
type table struct {
	f      *os.File
	before []string
}

func openTable(t *testing.T) *table {
	t.Helper()
	// os.Open would give the file to Go's poller, which then is told of the changes
	// in place of this test.
	fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "mountinfo")
	t.Cleanup(func() { f.Close() })
	m := &table{f: f}
	m.before = m.lines(t)
	m.poll(t)
	return m
}

func (m *table) lines(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// poll tells whether the table has changed since the last poll.
func (m *table) poll(t *testing.T) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(m.f.Fd()), Events: unix.POLLPRI}}
	if _, err := unix.Poll(fds, 0); err != nil {
		t.Fatal(err)
	}
	return fds[0].Revents&unix.POLLPRI != 0
}

// changed returns the lines that came or went, or says that some did both.
func (m *table) changed(t *testing.T) []string {
	t.Helper()
	if !m.poll(t) {
		return nil
	}
	lines := []string{"changed and changed back, as far as the lines tell"}
	after := m.lines(t)
	for _, l := range after {
		if !slices.Contains(m.before, l) {
			lines = append(lines, "+ "+l)
		}
	}
	for _, l := range m.before {
		if !slices.Contains(after, l) {
			lines = append(lines, "- "+l)
		}
	}
	return lines
}

// TestManyLayers is containerd issue 12662: with 100 layers the options of the
// root filesystem's mount were too long. The stock shim starts these today: what it
// does not start is in test/integration, TestOptionsPastAPage.
func TestManyLayers(t *testing.T) {
	h := harness.New(t, harness.Options{})
	for _, userns := range []*harness.UserNS{nil, harness.NthUserNS(4)} {
		c := h.Run(harness.Spec{Image: h.Image(100), UserNS: userns})
		if got := h.Output(c, "sh", "-c", "echo fine"); got != "fine\n" {
			t.Errorf("wrote %q", got)
		}
		h.Delete(stopped(h, c))
	}
}

// TestProcessOfTheHostInTheRootfs is containerd issue 4020: a process on the
// host whose working directory is the container's root kept the delete from
// finishing. There is nothing on the host that it could be in, short of going
// through /proc; and that doesn't keep the delete waiting.
func TestProcessOfTheHostInTheRootfs(t *testing.T) {
	h := harness.New(t, harness.Options{})
	c := h.Run(harness.Spec{})
	bundle := bundleRootfs(t, h, c)
	if names, err := os.ReadDir(bundle); err != nil || len(names) > 0 {
		t.Errorf("the host sees %v in %s, %v", names, bundle, err)
	}
	root, err := os.Open(fmt.Sprintf("/proc/%d/root", c.Task.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h.Delete(stopped(h, c))
	if _, err := os.Lstat(filepath.Dir(bundle)); !os.IsNotExist(err) {
		t.Errorf("the bundle is still there: %v (containerd issue 11376)", err)
	}
}

func bundleRootfs(t *testing.T, h *harness.Harness, c *harness.Container) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.Dir(), "state/io.containerd.runtime.v2.task/*", c.ID(), "rootfs"))
	if err != nil || len(found) != 1 {
		t.Fatalf("bundle of %s: %v, %v", c.ID(), found, err)
	}
	return found[0]
}

// TestKilledShimLeavesImageDataAlone is containerd issues 10704 and 12139: after
// a shim was killed in the middle, id-mapped mounts of layers were left on the
// host, and cleaning up their mount points deleted the image's files. What the stock
// shim leaves is counted in test/integration, TestKilledWhileRootIsMade.
func TestKilledShimLeavesImageDataAlone(t *testing.T) {
	h := harness.New(t, harness.Options{})
	image := h.Image(manyLayers())
	h.Delete(stopped(h, h.Run(harness.Spec{Image: image, UserNS: harness.NthUserNS(5)})))
	before := countLayerFiles(t, h)
	table := openTable(t)
	seen := h.Record()
	c := h.Run(harness.Spec{Image: image, UserNS: harness.NthUserNS(6)})
	shims, err := h.Shims()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shims {
		_ = unix.Kill(s.PID, unix.SIGKILL)
	}
	h.Eventually("the exit is reported", func() bool { return slices.Contains(seen.Topics(c.ID()), "/tasks/exit") })
	h.Delete(c)
	if lines := table.changed(t); len(lines) > 0 {
		t.Errorf("the host's mount table has changed:\n%s", strings.Join(lines, "\n"))
	}
	if after := countLayerFiles(t, h); after < before {
		t.Errorf("%d files in the layers, before there were %d", after, before)
	}
}

// countLayerFiles counts the files in snapshots, of which containerd may be taking away
// a deleted container's.
func countLayerFiles(t *testing.T, h *harness.Harness) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(h.Dir(), "root/io.containerd.snapshotter.v1.overlayfs/snapshots"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files in the layers: %v", n, err)
	}
	return n
}
