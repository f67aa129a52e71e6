package mountns

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// privateEnv tells a test process that it plays the host: its mount namespace is
// a private copy of the real one, on every thread.
const privateEnv = "TANGO_TEST_PRIVATE_MOUNTS"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		println("mountns: these tests make mount namespaces: run them as root")
		os.Exit(1)
	}
	if os.Getenv(privateEnv) == "" {
		os.Exit(runPrivately())
	}
	if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runPrivately runs the tests in a child process with a mount namespace of its
// own: threads that a package starts get the process's, not their maker's.
func runPrivately() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), privateEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	err := cmd.Run()
	if err == nil {
		return 0
	}
	println(err.Error())
	return 1
}

// onHost runs f, which may mount things: they are taken away afterwards. What
// others had mounted may go at any time, with the directory that it was on.
func onHost(t *testing.T, f func() error) {
	t.Helper()
	before := make(map[string]bool)
	for _, fields := range mountInfo(t) {
		before[fields[0]] = true
	}
	err := f()
	infos := mountInfo(t)
	slices.Reverse(infos)
	for _, fields := range infos {
		if before[fields[0]] {
			continue
		}
		if err := unix.Unmount(fields[4], unix.MNT_DETACH); err != nil {
			t.Errorf("cannot clean up %s: %v", fields[4], err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mountTable(t *testing.T) []string {
	t.Helper()
	var points []string
	for _, fields := range mountInfo(t) {
		points = append(points, fields[4])
	}
	return points
}

// mountInfo is the mount table, in order of age, taken apart.
func mountInfo(t *testing.T) [][]string {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var infos [][]string
	for line := range strings.Lines(string(data)) {
		infos = append(infos, strings.Fields(line))
	}
	return infos
}

func TestTemplateHoldsAHandfulOfMountsWhateverTheHostHas(t *testing.T) {
	run, crowd := t.TempDir(), t.TempDir()
	onHost(t, func() error {
		for range 200 {
			dir, err := os.MkdirTemp(crowd, "")
			if err != nil {
				return err
			}
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
				return err
			}
		}
		tmpl, err := Open(run, run)
		if err != nil {
			return err
		}
		defer tmpl.Close()
		ns, err := tmpl.Fork(func() error {
			if points := mountTable(t); len(points) > 40 || points[0] != "/" {
				t.Errorf("template has %d mounts: %v", len(points), points)
			}
			for _, path := range []string{"/proc/self/status", "/sys/kernel", "/dev/null", run} {
				if _, err := os.Stat(path); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return ns.Close()
	})
}

func TestSecondHolderTakesTheTemplateOver(t *testing.T) {
	run := t.TempDir()
	first, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := first.ns.Same(second.ns); err != nil || !same {
		t.Errorf("same = %v, %v; want the first one's namespace", same, err)
	}
	for _, tmpl := range []*Template{first, second} {
		if err := tmpl.Close(); err != nil {
			t.Error(err)
		}
	}
	left, _ := filepath.Glob(run + "/mnt/*/*")
	if len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
}

// added lists the mounts that came in between.
func added(before, after []string) []string {
	had := make(map[string]int)
	for _, point := range before {
		had[point]++
	}
	return slices.DeleteFunc(slices.Clone(after), func(point string) bool {
		had[point]--
		return had[point] >= 0
	})
}
