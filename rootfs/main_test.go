package rootfs

import (
	"context"
	"fmt"
	"os"
	"testing"

	"tango/mounts/kernel"
)

// TestMain refuses to run without root: these tests are about real mounts.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: the tests of rootfs need root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// inNamespace runs f on a thread in a private mount namespace that ends with it.
func inNamespace(t *testing.T, f func() error) {
	t.Helper()
	err := kernel.InNewThread(func() error {
		if err := privateCopy(); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// features are this kernel's.
func features(t *testing.T) kernel.Features {
	t.Helper()
	f, err := kernel.Detect()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// waysHere are the ways that this kernel can go, of those given.
func waysHere(t *testing.T, ways ...Way) []Way {
	t.Helper()
	f := features(t)
	var here []Way
	for _, way := range ways {
		switch {
		case way == WayDetached && !f.OverlayDetachedLayer, (way == WayPrivate || way == WayPlain) && !f.LowerdirPlus:
			t.Logf("NOT TESTED on this kernel: way %s", way)
		default:
			here = append(here, way)
		}
	}
	return here
}

// newPreparer starts a Preparer that must have nothing left in the end.
func newPreparer(t *testing.T, way Way) *Preparer {
	t.Helper()
	p := New(Config{Features: features(t), Way: way})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Groups != 0 || s.GroupUsers != 0 || s.Mappings != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
	return p
}

// mustParse parses mounts that are known to be right.
func mustParse(t *testing.T, ms ...Mount) Plan {
	t.Helper()
	plan, err := Parse(ms)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// mustPrepare prepares a plan and closes the result when the test ends.
func mustPrepare(t *testing.T, p *Preparer, plan Plan) *Rootfs {
	t.Helper()
	r, err := p.Prepare(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
