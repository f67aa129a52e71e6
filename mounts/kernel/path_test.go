package kernel

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnmount(t *testing.T) {
	dir := private(t)
	at := mkdirs(t, dir, "at")
	must(t, newTmpfs(t).Attach(nil, at))
	busy := got(os.Open(at))(t)
	e := failed(t, Unmount(at, UnmountNoFollow), unix.EBUSY)
	if e.Flags != "nofollow" || e.Target != at {
		t.Errorf("error is %+v", e)
	}
	must(t, Unmount(at, UnmountDetach))
	must(t, busy.Close())
	failed(t, Unmount(at, 0), unix.EINVAL)
}

func TestPivotRoot(t *testing.T) {
	private(t)
	// Of the first thread's namespace nothing may change: the temporary
	// directory must be there to be removed.
	must(t, InNewThread(func() error {
		if err := UnshareNamespace(); err != nil {
			return err
		}
		if err := SetPropagation("/", Private, true); err != nil {
			return err // where "/" is shared, /proc would be covered for everybody
		}
		m, err := scratch()
		if err != nil {
			return err
		}
		defer m.Close()
		if err := m.Attach(nil, "/proc"); err != nil {
			return err
		}
		if err := unix.Chdir("/proc"); err != nil {
			return err
		}
		if err := PivotRoot(".", "."); err != nil {
			return err
		}
		if err := Unmount(".", UnmountDetach); err != nil {
			return err
		}
		_, err = os.Stat("/a")
		return err
	}))
	e := failed(t, PivotRoot("/", "/proc"), unix.EBUSY)
	if e.Source != "/" || e.Target != "/proc" {
		t.Errorf("error is %+v", e)
	}
}

func TestPathPropagation(t *testing.T) {
	needs(t, StatMount)
	dir := private(t)
	m := newTmpfs(t)
	must(t, m.Attach(nil, mkdirs(t, dir, "at")))
	propagation := func() Propagation { return got(Stat(got(m.ID())(t)))(t).Propagation }
	must(t, SetPropagation(dir, Shared, false))
	if p := propagation(); p != Private {
		t.Errorf("not recursive, and the mount below is %s", p)
	}
	must(t, SetPropagation(dir, Shared, true))
	if p := propagation(); p != Shared {
		t.Errorf("recursive, and the mount below is %s", p)
	}
	e := failed(t, SetPropagation(mkdirs(t, dir, "none"), Slave, true), unix.EINVAL)
	if e.Flags != "slave,recursive" {
		t.Errorf("flags are %q", e.Flags)
	}
}
