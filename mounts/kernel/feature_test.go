package kernel

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestClaims holds what the code says of versions against the kernel it runs on.
func TestClaims(t *testing.T) {
	checkDescriptors(t)
	for _, f := range All() {
		t.Run(f.Name, func(t *testing.T) { checkClaim(t, f) })
	}
}

// checkClaim fails if the kernel should have the feature and the probe says no.
// The other way round is only told, since distributions carry features back; but
// the matrix's kernels are as their version says, and there it fails, too.
func checkClaim(t *testing.T, f *Feature) {
	t.Helper()
	err := f.Probe()
	if errors.Is(err, errNothingToMap) {
		t.Skip("NOT FOUND OUT: ", err)
	}
	must(t, ignoring(ErrNotSupported, err))
	should := !older(running(t), release(t, f.Since))
	t.Logf("claim: since=%s here=%t (%v)", f.Since, err == nil, err) // the matrix makes a table of these
	switch {
	case should && err != nil:
		t.Errorf("Linux %s should have it: %v", f.Since, err)
	case !should && err == nil && os.Getenv("TANGO_GUEST") != "":
		t.Errorf("here before Linux %s: the claim is wrong, or its probe", f.Since)
	case !should && err == nil:
		t.Logf("here before Linux %s: a backport, or a wrong claim", f.Since)
	}
	if f.Source == "" || f.Name == "" {
		t.Errorf("no source or name: %+v", f)
	}
}

func release(t *testing.T, s string) (v [2]int) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "%d.%d", &v[0], &v[1]); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return v
}

func running(t *testing.T) [2]int {
	t.Helper()
	var u unix.Utsname
	must(t, unix.Uname(&u))
	return release(t, unix.ByteSliceToString(u.Release[:]))
}

func older(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

// Who may not look does not know: for no feature may a lack of privilege read as
// a lack of the feature.
func TestProbesWithoutPrivilege(t *testing.T) {
	for _, f := range All() {
		t.Run(f.Name, func(t *testing.T) {
			supported := f.Probe() == nil
			must(t, InNewThread(func() error {
				if err := dropPrivilege(); err != nil {
					return err
				}
				err := f.probe()
				if supported && errors.Is(err, ErrNotSupported) {
					t.Errorf("without CAP_SYS_ADMIN: %v", err)
				}
				return nil
			}))
		})
	}
}

// The options that old kernels do not know are told from values they refuse.
func TestUnknownOption(t *testing.T) {
	checkDescriptors(t)
	c := open(t, "overlay")
	err := c.SetString("tango-no-such-option", "")
	if err == nil {
		t.Skip("KERNEL LACKS fs_context in overlayfs, which came with Linux 6.5")
	}
	if err := unknownOption(err); !errors.Is(err, ErrNotSupported) {
		t.Errorf("unknown option: %v", err)
	}
	root := got(os.Open("/"))(t)
	defer root.Close()
	if err := unknownOption(c.SetFile("redirect_dir", root)); !errors.Is(err, ErrNotSupported) {
		t.Errorf("an open file where a string is due: %v", err)
	}
	null := got(os.Open("/dev/null"))(t)
	defer null.Close()
	err = unknownOption(c.SetFile("lowerdir+", null))
	if has(t, OverlayLayerFD) && (err == nil || errors.Is(err, ErrNotSupported)) {
		t.Errorf("a layer that is no directory: %v", err)
	}
}

func TestProbeOutcomes(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error
		want   error
		calls  int // of two probes
	}{
		{"yes", nil, nil, 1},
		{"no", lacking(unix.EINVAL), ErrNotSupported, 1},
		{"not allowed", unix.EPERM, unix.EPERM, 2},
		{"no memory", &Error{Op: "fsopen", Err: unix.ENOMEM}, unix.ENOMEM, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			f := Feature{Name: "f", Since: "9.9", probe: func() error { calls++; return c.answer }}
			for range 2 {
				if err := f.Probe(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("got %v", err)
				}
			}
			if calls != c.calls {
				t.Errorf("asked %d times, want %d", calls, c.calls)
			}
			if errors.Is(f.Probe(), ErrNotSupported) != (c.want == ErrNotSupported) {
				t.Error("taken for the wrong outcome")
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	present, absent := []error{unix.EBADF}, []error{unix.EINVAL}
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {unix.EBADF, nil}, {unix.EINVAL, ErrNotSupported}, {unix.EPERM, unix.EPERM},
	} {
		err := verdict(c.err, present, absent)
		if !errors.Is(err, c.want) || (c.want != ErrNotSupported && errors.Is(err, ErrNotSupported)) {
			t.Errorf("verdict on %v is %v", c.err, err)
		}
	}
}

func TestDetect(t *testing.T) {
	checkDescriptors(t)
	f := got(Detect())(t)
	want := Features{
		LowerdirPlus:         has(t, LowerdirPlus),
		OverlayLayerFD:       has(t, OverlayLayerFD),
		OverlayDetachedLayer: has(t, OverlayDetachedLayer),
		IDMappedMounts:       has(t, IDMappedMounts),
		OpenTreeAttr:         has(t, OpenTreeAttr),
		OpenTreeNamespace:    has(t, OpenTreeNamespace),
	}
	if f != want {
		t.Errorf("got %+v, want %+v", f, want)
	}
}

func TestDetectFromManyGoroutines(t *testing.T) {
	first := got(Detect())(t)
	var wg sync.WaitGroup
	for range 4 * runtime.NumCPU() {
		wg.Go(func() {
			if f, err := Detect(); f != first || err != nil {
				t.Errorf("got %+v, %v", f, err)
			}
		})
	}
	wg.Wait()
}

// BenchmarkDetect is what a shim pays before its first root filesystem.
func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		forget()
		if _, err := Detect(); err != nil {
			b.Fatal(err)
		}
	}
}

// Where tmpfs cannot be id-mapped, the probe clones what is on disk instead.
func TestOverlayIDMappedLayersOnDisk(t *testing.T) {
	needs(t, IDMappedMounts)
	checkDescriptors(t)
	dir, remove, err := scratchOnDisk()
	must(t, err)
	defer remove()
	known := OverlayIDMappedLayers.Probe()
	if errors.Is(known, errNothingToMap) {
		t.Skip("NOT TRIED: ", known)
	}
	must(t, InNewThread(func() error {
		m, err := mappedClone(dir)
		if errors.Is(err, errNothingToMap) {
			t.Logf("NOT TRIED: the filesystem of %s cannot be id-mapped", dir)
			return nil
		}
		if err != nil {
			return err
		}
		defer m.Close()
		if err := overlayInPrivate(m, dir); (err == nil) != (known == nil) {
			t.Errorf("probe: %v, on the filesystem of %s: %v", known, dir, err)
		}
		return nil
	}))
}
