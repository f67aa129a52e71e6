package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The main goroutine keeps the first thread, so that no test's goroutine runs,
// and changes namespaces, there.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests mount, and need root")
		os.Exit(1)
	}
	os.Exit(runInOwnTemp(m))
}

// runInOwnTemp runs the tests and fails them for what they leave in the file
// system or in the host's mount table.
func runInOwnTemp(m *testing.M) int {
	temp, err := os.MkdirTemp("", "tango-kernel-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	os.Setenv("TMPDIR", temp)
	code := m.Run()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), temp) {
		fmt.Fprintln(os.Stderr, "FAIL: mounts left on the host:", err)
		code = 1
	}
	if err := unix.Rmdir(temp); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: files left in", temp, err)
		code = 1
	}
	return code
}

// private moves the test into a mount namespace of its own and returns an empty
// tmpfs in it. The test must not end with more open descriptors than it has now.
func private(t *testing.T) string {
	t.Helper()
	checkDescriptors(t)
	dir := t.TempDir()
	// Never unlocked: the thread ends with the test, and the namespace with it.
	runtime.LockOSThread()
	must(t, UnshareNamespace())
	must(t, SetPropagation("/", Private, true))
	must(t, newTmpfs(t).Attach(nil, dir))
	t.Cleanup(func() { must(t, Unmount(dir, UnmountDetach)) })
	return dir
}

// newTmpfs makes a detached tmpfs that is closed with the test.
func newTmpfs(t *testing.T) *Mount {
	t.Helper()
	c := open(t, "tmpfs")
	m := got(c.Mount(0))(t)
	t.Cleanup(func() { must(t, m.Close()) })
	return m
}

// open makes a context that is closed with the test.
func open(t *testing.T, fstype string) *FSContext {
	t.Helper()
	c := got(OpenFS(fstype))(t)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// clone makes a detached clone that is closed with the test.
func clone(t *testing.T, path string, flags OpenTreeFlags) *Mount {
	t.Helper()
	m := got(OpenTree(nil, path, flags|TreeClone))(t)
	t.Cleanup(func() { must(t, m.Close()) })
	return m
}

// mkdirs makes directories below dir, and returns the path of the last.
func mkdirs(t *testing.T, dir string, names ...string) string {
	t.Helper()
	path := dir
	for _, name := range names {
		path = filepath.Join(dir, name)
		must(t, os.MkdirAll(path, 0o755))
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got is must for calls that return something as well.
func got[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// checkDescriptors fails the test if it ends with descriptors that it did not
// begin with.
func checkDescriptors(t *testing.T) {
	t.Helper()
	before := descriptors(t)
	t.Cleanup(func() {
		for fd, target := range descriptors(t) {
			if before[fd] != target && !strings.HasPrefix(target, "anon_inode:[event") {
				t.Errorf("descriptor %s left open: %s", fd, target)
			}
		}
	})
}

func descriptors(t *testing.T) map[string]string {
	t.Helper()
	entries := got(os.ReadDir("/proc/self/fd"))(t)
	open := make(map[string]string)
	for _, e := range entries {
		// What read the directory is closed again, and gone.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = target
		}
	}
	return open
}
