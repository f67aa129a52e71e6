package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// openDescriptors counts this process's.
func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestFailuresLeaveNothing breaks one thing at a time: the error must name it,
// and nothing may stay behind.
func TestFailuresLeaveNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s *snapshots, m *Mount)
		says  []string
		cause error // nil where it depends on the way
	}{
		{"missing layer", func(s *snapshots, m *Mount) {
			os.RemoveAll(s.layers[1])
		}, []string{"layer", "/7/fs"}, unix.ENOENT},
		{"layer that is a file", func(s *snapshots, m *Mount) {
			os.RemoveAll(s.layers[1])
			os.WriteFile(s.layers[1], nil, 0o644)
		}, []string{"layer", "/7/fs"}, nil},
		{"missing upper", func(s *snapshots, m *Mount) { os.RemoveAll(s.upper) }, []string{"upperdir"}, unix.ENOENT},
		{"missing work", func(s *snapshots, m *Mount) { os.RemoveAll(s.work) }, []string{"workdir"}, unix.ENOENT},
		{"bad option", func(s *snapshots, m *Mount) {
			m.Options = append(m.Options, "no_such_option=1")
		}, []string{"no_such_option"}, unix.EINVAL},
		{"bad value", func(s *snapshots, m *Mount) {
			m.Options = append(m.Options, "xino=perhaps")
		}, []string{"xino"}, unix.EINVAL},
	} {
		for _, way := range waysHere(t, WayDetached, WayPrivate, WayOptions, WayPlain) {
			t.Run(c.name+"/way="+way.String(), func(t *testing.T) {
				s := newSnapshots(t, "overlayfs")
				m := s.mount(false, nil)
				if way != WayPlain {
					m = s.mount(false, mapped)
				}
				c.spoil(&s, &m)
				before := openDescriptors(t)
				checkFailure(t, way, m, c.says, c.cause)
				if after := openDescriptors(t); after != before {
					t.Errorf("%d descriptors, before %d", after, before)
				}
			})
		}
	}
}

func checkFailure(t *testing.T, way Way, m Mount, says []string, cause error) {
	t.Helper()
	p := New(Config{Features: features(t), Way: way})
	r, err := p.Prepare(context.Background(), mustParse(t, m))
	if err == nil {
		r.Close()
		t.Fatal("no error")
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not name %q", err, s)
		}
	}
	if s := p.Stats(); s.Groups != 0 || s.GroupUsers != 0 || s.Mappings != 0 {
		t.Errorf("left behind: %+v", s)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestRefusedWays asks for ways that a kernel or a plan does not have.
func TestRefusedWays(t *testing.T) {
	o := overlay{lower: []string{"/a"}, upper: "/u", work: "/w"}
	long := overlay{lower: []string{"/" + strings.Repeat("x", 300)}, upper: "/u", work: "/w"}
	some := parseOne(t, Mount{Type: "bind", Source: "/s", Options: mapped}).mapping
	all := kernel.Features{LowerdirPlus: true, OverlayLayerFD: true, OverlayDetachedLayer: true}
	for _, c := range []struct {
		way      Way
		features kernel.Features
		o        overlay
		mapping  Mapping
		want     Way
		says     string
	}{
		{WayAuto, all, o, Mapping{}, WayPlain, ""},
		{WayAuto, all, o, some, WayDetached, ""},
		{WayAuto, all, long, Mapping{}, WayPlain, ""},
		{WayAuto, kernel.Features{LowerdirPlus: true}, o, Mapping{}, WayPlain, ""},
		{WayAuto, kernel.Features{LowerdirPlus: true}, long, Mapping{}, WayPrivate, ""},
		{WayAuto, kernel.Features{LowerdirPlus: true}, o, some, WayPrivate, ""},
		{WayAuto, kernel.Features{}, o, some, WayOptions, ""},
		{WayAuto, kernel.Features{}, o, Mapping{}, WayOptions, ""},
		{WayOptions, all, o, some, WayOptions, ""},
		{WayPlain, all, o, some, 0, "id-map"},
		{WayPlain, kernel.Features{}, o, Mapping{}, 0, "6.7"},
		{WayPlain, kernel.Features{LowerdirPlus: true}, long, Mapping{}, 0, "6.13"},
		{WayPrivate, kernel.Features{}, o, some, 0, "6.7"},
		{WayDetached, kernel.Features{LowerdirPlus: true}, o, some, 0, "6.15"},
	} {
		got, err := c.way.choose(c.features, c.o, c.mapping)
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %+v: got %s, %v, want %s, %q", c.way, c.features, got, err, c.want, c.says)
		}
	}
}

func TestParseWay(t *testing.T) {
	for way := range ways {
		if got, err := ParseWay(way.String()); got != way || err != nil {
			t.Errorf("%s: got %s, %v", way, got, err)
		}
	}
	if got, err := ParseWay(""); got != WayAuto || err != nil {
		t.Errorf("empty: got %s, %v", got, err)
	}
	if _, err := ParseWay("other"); err == nil || !strings.Contains(err.Error(), "detached") {
		t.Errorf("other: got %v", err)
	}
	if got := Way(77).String(); got != "Way(77)" {
		t.Errorf("got %q", got)
	}
}

// TestPrivateFails has no private namespace to be had.
func TestPrivateFails(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	bad := errors.New("no namespace")
	for _, way := range waysHere(t, WayPrivate, WayOptions) {
		p := New(Config{Features: features(t), Way: way, Private: func() error { return bad }})
		if _, err := p.Prepare(context.Background(), mustParse(t, s.mount(false, mapped))); !errors.Is(err, bad) {
			t.Errorf("%s: got %v", way, err)
		}
		p.Close()
	}
}

// TestClosedPreparer uses a Preparer, and what it made, after its end.
func TestClosedPreparer(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	for _, way := range waysHere(t, WayDetached, WayPrivate, WayOptions) {
		before := openDescriptors(t)
		p := New(Config{Features: features(t), Way: way})
		r := mustPrepare(t, p, mustParse(t, s.mount(false, mapped)))
		p.Close()
		p.Close()
		if _, err := p.Prepare(context.Background(), mustParse(t, s.mount(true, nil))); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: prepare after close: got %v", way, err)
		}
		target := t.TempDir()
		inNamespace(t, func() error {
			if err := r.Attach(target); err != nil {
				return err
			}
			_, err := os.Stat(filepath.Join(target, "etc/shadow"))
			return err
		})
		r.Close()
		if s := p.Stats(); s.Groups != 0 || s.Mappings != 0 {
			t.Errorf("%s: left behind: %+v", way, s)
		}
		if after := openDescriptors(t); after != before {
			t.Errorf("%s: %d descriptors, before %d", way, after, before)
		}
	}
}

// TestAttachOnce attaches and closes in orders that must not work twice.
func TestAttachOnce(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	p := newPreparer(t, WayAuto)
	target := t.TempDir()
	r := mustPrepare(t, p, mustParse(t, s.mount(false, mapped)))
	inNamespace(t, func() error {
		if err := r.Attach(target); err != nil {
			return err
		}
		if err := r.Attach(target); !errors.Is(err, ErrSpent) {
			t.Errorf("second attach: got %v", err)
		}
		return r.Close()
	})
	r = mustPrepare(t, p, mustParse(t, s.mount(false, mapped)))
	r.Close()
	if err := r.Attach(target); !errors.Is(err, ErrSpent) {
		t.Errorf("attach after close: got %v", err)
	}
}

// TestAttachAllOrNothing fails at the second of two mounts.
func TestAttachAllOrNothing(t *testing.T) {
	p := newPreparer(t, WayAuto)
	source, target := t.TempDir(), t.TempDir()
	builder{t, source}.file("marker", "", 0o644, 0)
	r := mustPrepare(t, p, mustParse(t,
		Mount{Type: "bind", Source: source, Options: []string{"bind"}},
		Mount{Type: "tmpfs", Source: "tmpfs", Target: "not/there"}))
	inNamespace(t, func() error {
		err := r.Attach(target)
		if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "not/there") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(filepath.Join(target, "marker")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("first mount is still there: %v", err)
		}
		return nil
	})
}

func TestPrepareRefuses(t *testing.T) {
	p := newPreparer(t, WayAuto)
	if _, err := p.Prepare(context.Background(), Plan{}); !errors.Is(err, ErrEmptyPlan) {
		t.Errorf("empty plan: got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Prepare(ctx, mustParse(t, Mount{Type: "tmpfs"})); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	for _, m := range []Mount{
		{Type: "nosuchfs", Source: "x"},
		{Type: "bind", Source: "/no/such/dir", Options: []string{"bind"}},
		{Type: "ext4", Source: "/no/such/image", Options: []string{"loop"}},
		{Type: "tmpfs", Options: []string{"size=many"}},
	} {
		if r, err := p.Prepare(context.Background(), mustParse(t, m)); err == nil {
			r.Close()
			t.Errorf("%+v: no error", m)
		} else {
			t.Log(err)
		}
	}
}

// TestOptionStringTooLong gives more options than the page of mount(2) holds.
func TestOptionStringTooLong(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	var options []string
	for i := range 20 {
		options = append(options, fmt.Sprintf("option%d=%s", i, strings.Repeat("x", maxFSConfig)))
	}
	p := newPreparer(t, WayOptions)
	_, err := p.Prepare(context.Background(), mustParse(t, s.mount(false, options)))
	if err == nil || !strings.Contains(err.Error(), "4095") {
		t.Errorf("got %v", err)
	}
}

// TestPrepareGivenUp: who gives up while layers are looked up gets no overlay, whatever
// the way: the next attempt may use its work directory already.
func TestPrepareGivenUp(t *testing.T) {
	for _, way := range waysHere(t, WayPlain, WayDetached, WayPrivate, WayOptions) {
		p := newPreparer(t, way)
		var options []string
		if way != WayPlain {
			options = mapped
		}
		plan := mustParse(t, manyLayers(t, 3, options...))
		startStage(t, p, way)
		ctx := &impatient{Context: t.Context(), looks: 1}
		var r *Rootfs
		var err error
		calls := callLog(t, func() { r, err = p.Prepare(ctx, plan) })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, %v", way, r, err)
		}
		if slices.Contains(calls, "fsmount") || slices.Contains(calls, "mount") {
			t.Errorf("%s: a mount was made: %v", way, calls)
		}
	}
}

// impatient is canceled when it was looked at so often.
type impatient struct {
	context.Context
	looks int
}

func (i *impatient) Err() error {
	if i.looks--; i.looks < 0 {
		return context.Canceled
	}
	return nil
}
