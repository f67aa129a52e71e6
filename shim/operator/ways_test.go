package operator

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tango/mounts/kernel"
	"tango/rootfs"
)

func TestEveryFeatureHasAMeaning(t *testing.T) {
	for _, f := range kernel.All() {
		if meanings[f] == "" {
			t.Errorf("nothing said about %s", f)
		}
	}
	if len(meanings) != len(kernel.All()) {
		t.Error("meanings of features that are not asked for")
	}
}

// What is said about ways is what package rootfs does, with all that this kernel
// has and with less.
func TestWaysAreThoseOfRootfs(t *testing.T) {
	all, err := kernel.Detect()
	if err != nil {
		t.Fatal(err)
	}
	noDetached := all
	noDetached.OverlayDetachedLayer = false
	old := noDetached
	old.LowerdirPlus = false
	for name, f := range map[string]kernel.Features{"all": all, "no detached layers": noDetached, "no lowerdir+": old} {
		t.Run(name, func(t *testing.T) {
			want := waysOf(kernelWith(f))
			if got := prepare(t, f, ""); got != want.Plain {
				t.Errorf("without a user namespace: %q, but rootfs took %q", want.Plain, got)
			}
			if want.UserNamespace == wayNone {
				t.Log("this kernel has no id-mapped layers")
			} else if got := prepare(t, f, "0:100000:65536"); got != want.UserNamespace {
				t.Errorf("with a user namespace: %q, but rootfs took %q", want.UserNamespace, got)
			}
		})
	}
}

// kernelWith is this kernel without what f lacks.
func kernelWith(f kernel.Features) Kernel {
	k := Kernel{Abilities: ask(kernel.All())}
	for i, a := range k.Abilities {
		if a.Name == kernel.OverlayDetachedLayer.Name && !f.OverlayDetachedLayer ||
			a.Name == kernel.LowerdirPlus.Name && !f.LowerdirPlus {
			k.Abilities[i].Answer = No
		}
	}
	return k
}

// prepare makes an overlay of two layers and tells by which way.
func prepare(t *testing.T, f kernel.Features, mapping string) string {
	t.Helper()
	// Never unlocked: the thread ends with the test, and the namespace with it.
	runtime.LockOSThread()
	for _, err := range []error{kernel.UnshareNamespace(), kernel.SetPropagation("/", kernel.Private, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := rootfs.New(rootfs.Config{Features: f})
	r, err := p.Prepare(context.Background(), plan(t, mapping))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	for way, n := range p.Stats().Prepared {
		if n == 1 {
			return way.String()
		}
	}
	return ""
}

func plan(t *testing.T, mapping string) rootfs.Plan {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"1/fs", "2/fs", "3/fs", "3/work"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := []string{"lowerdir=" + dir + "/2/fs:" + dir + "/1/fs", "upperdir=" + dir + "/3/fs", "workdir=" + dir + "/3/work"}
	if mapping != "" {
		options = append(options, "uidmap="+mapping, "gidmap="+mapping)
	}
	plan, err := rootfs.Parse([]rootfs.Mount{{Type: "overlay", Source: "overlay", Options: options}})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
