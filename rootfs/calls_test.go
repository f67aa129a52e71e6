package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// callLog is every call that touches mounts, in order, of one function. Tests
// that use it must not run in parallel with others.
func callLog(t *testing.T, f func()) []string {
	t.Helper()
	var mu sync.Mutex
	var calls []string
	restore := kernel.Observe(func(op string, _ time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			op += "!"
		}
		calls = append(calls, op)
	})
	defer restore()
	f()
	mu.Lock()
	defer mu.Unlock()
	// A call that is just being made may still be noted.
	return slices.Clone(calls)
}

// mountClass drops what queues on no mount lock: fsopen, fsconfig of one value.
func mountClass(calls []string) []string {
	return slices.DeleteFunc(slices.Clone(calls), func(op string) bool {
		return op == "fsconfig" || op == "fsopen"
	})
}

// asHere is a log of calls as this kernel has it: one call clones and changes, or
// two do (kernel.CloneTree).
func asHere(calls []string) []string {
	if kernel.OpenTreeAttr.Probe() != nil {
		return calls
	}
	var here []string
	for i, op := range calls {
		switch {
		case op == "open_tree" && i+1 < len(calls) && calls[i+1] == "mount_setattr":
			here = append(here, "open_tree_attr")
		case op != "mount_setattr":
			here = append(here, op)
		}
	}
	return here
}

// manyLayers makes an overlay of n layers, and fills the topmost.
func manyLayers(t *testing.T, n int, options ...string) Mount {
	t.Helper()
	root := t.TempDir()
	var layers []string
	for i := range n {
		layer := filepath.Join(root, "snapshots", fmt.Sprint(i), "fs")
		builder{t, layer}.file(fmt.Sprintf("from-%d", i), "x", 0o644, i)
		layers = append(layers, layer)
	}
	up := filepath.Join(root, "snapshots", "up")
	for _, dir := range []string{"fs", "work"} {
		if err := os.MkdirAll(filepath.Join(up, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return overlayOf(append(options, "workdir="+up+"/work", "upperdir="+up+"/fs", "lowerdir="+strings.Join(layers, ":"))...)
}

// TestCallsDoNotDependOnLayers compares the ordered log of calls for one layer
// with those for many.
func TestCallsDoNotDependOnLayers(t *testing.T) {
	for _, c := range []struct {
		way     Way
		options []string
		want    []string
	}{
		{WayPlain, nil, []string{"fsmount", "open_tree", "move_mount"}},
		{WayDetached, mapped, []string{"open_tree", "mount_setattr", "fsmount", "open_tree", "move_mount"}},
		{WayPrivate, mapped, []string{"open_tree", "mount_setattr", "move_mount", "open_tree", "move_mount", "fsmount", "open_tree", "move_mount"}},
		{WayOptions, mapped, []string{"open_tree", "mount_setattr", "move_mount", "open_tree", "move_mount", "mount", "open_tree", "open_tree", "move_mount"}},
	} {
		if len(waysHere(t, c.way)) == 0 {
			continue
		}
		for _, n := range []int{1, 50, 100, maxLayers} {
			t.Run(fmt.Sprint("way=", c.way, "/", n), func(t *testing.T) {
				p := newPreparer(t, c.way)
				startStage(t, p, c.way)
				plan := mustParse(t, manyLayers(t, n, c.options...))
				var prepared, attached []string
				var r *Rootfs
				prepared = callLog(t, func() { r = mustPrepare(t, p, plan) })
				target := t.TempDir()
				inNamespace(t, func() error {
					var err error
					attached = callLog(t, func() { err = r.Attach(target) })
					if err == nil {
						err = countFiles(target, n)
					}
					return err
				})
				got := slices.DeleteFunc(mountClass(append(prepared, attached...)), isFreeing)
				if want := asHere(c.want); !slices.Equal(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			})
		}
	}
}

// startStage has a stage ready, whose setting up is paid for once.
func startStage(t *testing.T, p *Preparer, way Way) {
	if way != WayPrivate && way != WayOptions {
		return
	}
	if _, err := p.openStage(); err != nil {
		t.Fatal(err)
	}
}

// isFreeing tells whether a call is one of those that are made off the caller's
// path, at some time.
func isFreeing(op string) bool { return op == "umount2" || op == "close" }

func countFiles(dir string, want int) error {
	files, err := os.ReadDir(dir)
	if err == nil && len(files) != want {
		err = fmt.Errorf("got %d files, want %d", len(files), want)
	}
	return err
}

// TestSharedGroupCostsNothing prepares a second root filesystem from the same
// snapshotter: no further mount of the layers' parent is made, and giving the
// first back frees nothing.
func TestSharedGroupCostsNothing(t *testing.T) {
	for _, way := range waysHere(t, WayDetached) {
		checkSharing(t, way)
	}
}

func checkSharing(t *testing.T, way Way) {
	p := newPreparer(t, way)
	root := t.TempDir()
	var plans []Plan
	for i := range 2 {
		base := filepath.Join(root, "snapshots", fmt.Sprint(i))
		for _, dir := range []string{"fs", "upper", "work"} {
			if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		plans = append(plans, mustParse(t, overlayOf(append(mapped[:2:2], "lowerdir="+base+"/fs", "upperdir="+base+"/upper", "workdir="+base+"/work")...)))
	}
	first := mustPrepare(t, p, plans[0])
	var second *Rootfs
	calls := mountClass(callLog(t, func() { second = mustPrepare(t, p, plans[1]) }))
	if want := []string{"fsmount"}; !slices.Equal(calls, want) {
		t.Errorf("got %v, want %v", calls, want)
	}
	if s := p.Stats(); s.Groups != 1 || s.GroupUsers != 2 || s.Mappings != 1 || s.Ungrouped != 0 || s.Prepared[way] != 2 {
		t.Errorf("two users: got %+v", s)
	}
	first.Close()
	first.Close()
	if s := p.Stats(); s.Groups != 1 || s.GroupUsers != 1 {
		t.Errorf("one user: got %+v", s)
	}
	second.Close()
	if s := p.Stats(); s.Groups != 0 || s.GroupUsers != 0 {
		t.Errorf("no user: got %+v", s)
	}
}

// TestStageRunsWhereItsCallerMay: what a pinned thread has done in the stage is done on
// its CPUs, and what one does that is free again, on all.
func TestStageRunsWhereItsCallerMay(t *testing.T) {
	p := newPreparer(t, WayOptions)
	st, err := p.openStage()
	if err != nil {
		t.Fatal(err)
	}
	all := ownCPUs()
	err = kernel.InNewThread(func() error {
		var here uint32
		if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&here)), 0, 0); errno != 0 {
			return errno
		}
		one := unix.NewCPUSet(mostCPUs)
		one.Set(int(here))
		for _, cpus := range []unix.CPUSetDynamic{one, all} {
			if err := unix.SchedSetaffinityDynamic(0, cpus); err != nil {
				return err
			}
			err := st.do(func() error {
				if got := ownCPUs(); !slices.Equal(got, cpus) {
					t.Errorf("the stage's thread may run on %v, its caller on %v", got[:2], cpus[:2])
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFreeingIsOffThePath checks that neither Attach nor Close waits for the
// kernel to take a mount away.
func TestFreeingIsOffThePath(t *testing.T) {
	for _, way := range waysHere(t, WayDetached, WayPrivate, WayOptions) {
		p := New(Config{Features: features(t), Way: way})
		r, err := p.Prepare(t.Context(), mustParse(t, manyLayers(t, 3, mapped...)))
		if err != nil {
			t.Fatal(err)
		}
		// What frees stands behind this; what Prepare itself has freed is done.
		gate := make(chan struct{})
		queues := []func(func()) bool{p.freeing.Free}
		if p.stage != nil {
			queues = append(queues, p.stage.queue.whenIdle)
		}
		for _, later := range queues {
			reached := make(chan struct{})
			later(func() { close(reached); <-gate })
			<-reached
		}
		freed := slices.DeleteFunc(callLog(t, func() { r.Close() }), func(op string) bool { return !isFreeing(op) })
		close(gate)
		p.Close()
		if len(freed) != 0 {
			t.Errorf("%s: got %v before Close returned", way, freed)
		}
	}
}
