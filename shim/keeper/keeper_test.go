package keeper

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Action {
		if err := Main(os.Args[2:]); err != nil {
			println(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func registries(t *testing.T) (Registries, *os.File) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"exe", "mnt"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ns, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return Registries{
		Executables: pidref.Dir(filepath.Join(dir, "exe", "key")),
		Namespaces:  pidref.Dir(filepath.Join(dir, "mnt", "key")),
	}, ns
}

// eventually fails the test if it doesn't come true at all.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 600 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

func start(t *testing.T, r Registries, ns *os.File) int {
	t.Helper()
	if err := Start(r, ns); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a keeper holds both", func() bool {
		return len(r.Executables.Holders()) == 1 && len(r.Namespaces.Holders()) == 1
	})
	return r.Namespaces.Holders()[0]
}

func ended(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "the keeper ends", func() bool {
		reaped, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		return reaped == pid || err != nil
	})
}

func TestKeeperHoldsTheNamespaceAlone(t *testing.T) {
	r, ns := registries(t)
	pid := start(t, r, ns)
	if err := Start(r, ns); err != nil {
		t.Error(err)
	}
	f := r.Namespaces.Open(func(*os.File) bool { return true })
	if f == nil {
		t.Fatal("the namespace can't be had from the keeper")
	}
	defer f.Close()
	var want, got unix.Stat_t
	if unix.Fstat(int(ns.Fd()), &want) != nil || unix.Fstat(int(f.Fd()), &got) != nil || want.Ino != got.Ino {
		t.Errorf("namespace %d, want %d", got.Ino, want.Ino)
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
	for _, dir := range []pidref.Dir{r.Executables, r.Namespaces} {
		if _, err := os.Lstat(string(dir)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", dir, err)
		}
	}
	left, _ := filepath.Glob(filepath.Dir(string(r.Namespaces)) + "/*")
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestKeepersDoNotKeepOneAnother(t *testing.T) {
	r, ns := registries(t)
	pid := start(t, r, ns)
	if r.used() {
		t.Error("a keeper counts as a user")
	}
	remove, err := r.Namespaces.Add(os.Getpid(), "ns/mnt", ns)
	if err != nil {
		t.Fatal(err)
	}
	if !r.used() {
		t.Error("a holder that is no keeper does not count")
	}
	remove()
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
}

func TestKeeperEndsWithTheRunDirectory(t *testing.T) {
	r, ns := registries(t)
	pid := start(t, r, ns)
	if err := os.RemoveAll(string(r.Namespaces)); err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
}

func TestKeeperRefusesOtherArguments(t *testing.T) {
	if err := Main([]string{"one"}); err == nil {
		t.Error("no error")
	}
}
