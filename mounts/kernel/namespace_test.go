package kernel

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNamespaceOfTheThread(t *testing.T) {
	checkDescriptors(t)
	host := got(OpenNamespace("/proc/self/ns/mnt"))(t)
	defer host.Close()
	private(t)
	own := got(CurrentNamespace())(t)
	defer own.Close()
	if got(host.Same(own))(t) {
		t.Error("a new namespace is the old one")
	}
	again := got(CurrentNamespace())(t)
	defer again.Close()
	if !got(again.Same(own))(t) {
		t.Error("a namespace is not itself")
	}
}

func TestOpenNamespaceOfTheWrongKind(t *testing.T) {
	dir := private(t)
	for _, path := range []string{"/proc/self/ns/net", "/proc/self/ns/user", "/dev/null", dir} {
		_, err := OpenNamespace(path)
		if e := failed(t, err, unix.EINVAL); e.Source != path {
			t.Errorf("error is %+v", e)
		}
	}
	_, err := OpenNamespace(dir + "/not-there")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestEnterNamespace(t *testing.T) {
	dir := private(t)
	mkdirs(t, dir, "only-here")
	n := got(CurrentNamespace())(t)
	defer n.Close()
	must(t, InNewThread(func() error {
		if _, err := os.Stat(dir + "/only-here"); err == nil {
			return errors.New("a new thread is in this test's namespace")
		}
		if err := n.Enter(); err != nil {
			return err
		}
		_, err := os.Stat(dir + "/only-here")
		return err
	}))
	must(t, n.Close())
	failed(t, n.Enter(), unix.EBADF)
	_, err := n.Same(n)
	failed(t, err, unix.EBADF)
}

// A namespace that no process is in lives by its descriptor, and others reach it
// by its path.
func TestNamespacePath(t *testing.T) {
	dir := private(t)
	var n *Namespace
	must(t, InNewThread(func() error {
		err := UnshareNamespace()
		if err == nil {
			err = os.Mkdir(filepath.Join(dir, "shared-tmpfs"), 0o755)
		}
		if err == nil {
			n, err = CurrentNamespace()
		}
		return err
	}))
	defer n.Close()
	link := got(exec.Command("readlink", n.Path()).Output())(t)
	if want := got(os.Readlink(n.Path()))(t); string(link) != want+"\n" {
		t.Errorf("another process sees %q, this one %q", link, want)
	}
	other := got(OpenNamespace(n.Path()))(t)
	if !got(other.Same(n))(t) {
		t.Error("the path leads to another namespace")
	}
	f := other.Disown()
	if other.Fd() != -1 || other.File() != nil {
		t.Error("a disowned descriptor is still there")
	}
	must(t, other.Close())
	adopted := got(AdoptNamespace(f))(t)
	if !got(adopted.Same(n))(t) || int(adopted.File().Fd()) != adopted.Fd() {
		t.Error("an adopted namespace is another one")
	}
	must(t, adopted.Close())
	must(t, adopted.Close())
	var none *Namespace
	must(t, none.Close())
}

func TestUnshareWithoutPrivilege(t *testing.T) {
	must(t, InNewThread(func() error {
		if err := dropPrivilege(); err != nil {
			return err
		}
		e := failed(t, UnshareNamespace(), unix.EPERM)
		if e.Op != "unshare" || e.Flags != "newns" {
			t.Errorf("error is %+v", e)
		}
		return nil
	}))
}

func TestNamespaceFromTree(t *testing.T) {
	dir := private(t)
	must(t, os.WriteFile(dir+"/mark", nil, 0o600))
	n, err := NamespaceFromTree(nil, dir, TreeRecursive)
	if !has(t, OpenTreeNamespace) {
		e := failed(t, err, unix.EINVAL)
		if e.Flags != "namespace|recursive|cloexec" {
			t.Errorf("flags are %q", e.Flags)
		}
		return
	}
	must(t, err)
	defer n.Close()
	must(t, InNewThread(func() error {
		if err := n.Enter(); err != nil {
			return err
		}
		_, err := os.Stat("/mark")
		return err
	}))
}

// dropPrivilege takes CAP_SYS_ADMIN from the calling thread.
func dropPrivilege() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
	return unix.Capset(&header, &data[0])
}
