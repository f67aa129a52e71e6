package userns_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/userns"
)

var (
	uids = []userns.IDMap{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 10, HostID: 200000, Size: 10}}
	gids = []userns.IDMap{{ContainerID: 0, HostID: 300000, Size: 20}}
)

// inside runs a program in a user namespace.
func inside(t *testing.T, ns *os.File, argv ...string) string {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--user=/proc/self/fd/3"}, argv...)...)
	cmd.ExtraFiles = []*os.File{ns}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func TestOpenMaps(t *testing.T) {
	checkDescriptors(t)
	ns, err := userns.Open(uids, gids)
	must(t, err)
	defer ns.Close()
	for _, c := range []struct{ file, want string }{
		{"uid_map", "0 100000 10 10 200000 10"},
		{"gid_map", "0 300000 20"},
		{"setgroups", "allow"},
	} {
		if got := inside(t, ns, "cat", "/proc/self/"+c.file); got != c.want {
			t.Errorf("%s is %q, want %q", c.file, got, c.want)
		}
	}
	flags, err := unix.FcntlInt(ns.Fd(), unix.F_GETFD, 0)
	must(t, err)
	if flags&unix.FD_CLOEXEC == 0 {
		t.Error("the namespace is not close-on-exec")
	}
}

// mapped makes a detached tmpfs with files of these users, id-mapped by ns.
func mapped(t *testing.T, ns *os.File, owners ...int) *kernel.Mount {
	t.Helper()
	c, err := kernel.OpenFS("tmpfs")
	must(t, err)
	defer c.Close()
	m, err := c.Mount(0)
	must(t, err)
	t.Cleanup(func() { must(t, m.Close()) })
	for _, id := range owners {
		must(t, unix.Mkdirat(m.Fd(), fmt.Sprint(id), 0o755))
		must(t, unix.Fchownat(m.Fd(), fmt.Sprint(id), id, id, 0))
	}
	must(t, m.IDMap(ns, 0))
	return m
}

func TestOpenMapsFiles(t *testing.T) {
	if err := kernel.TmpfsIDMap.Probe(); errors.Is(err, kernel.ErrNotSupported) {
		t.Skip("KERNEL LACKS", kernel.TmpfsIDMap)
	}
	checkDescriptors(t)
	ns, err := userns.Open(uids, gids)
	must(t, err)
	m := mapped(t, ns, 0, 9, 10, 19)
	// The mount holds what it needs.
	must(t, ns.Close())
	for id, want := range map[int][2]uint32{
		0: {100000, 300000}, 9: {100009, 300009}, 10: {200000, 300010}, 19: {200009, 300019},
	} {
		var st unix.Stat_t
		must(t, unix.Fstatat(m.Fd(), fmt.Sprint(id), &st, 0))
		if st.Uid != want[0] || st.Gid != want[1] {
			t.Errorf("file of %d is owned by %d:%d, want %v", id, st.Uid, st.Gid, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	checkDescriptors(t)
	overlap := []userns.IDMap{{ContainerID: 0, HostID: 1000, Size: 10}, {ContainerID: 5, HostID: 5000, Size: 10}}
	for _, c := range []struct {
		name       string
		uids, gids []userns.IDMap
		errno      error
	}{
		{"no users", nil, gids, nil},
		{"no groups", uids, nil, nil},
		{"no size", []userns.IDMap{{}}, gids, nil},
		{"too many", make([]userns.IDMap, 341), gids, nil},
		{"overlapping users", overlap, gids, unix.EINVAL},
		{"overlapping groups", uids, overlap, unix.EINVAL},
	} {
		ns, err := userns.Open(c.uids, c.gids)
		if err == nil || ns != nil || c.errno != nil && !errors.Is(err, c.errno) {
			t.Errorf("%s: %v, %v", c.name, ns, err)
		}
	}
}

func TestOpenWithoutPrivilege(t *testing.T) {
	checkDescriptors(t)
	must(t, kernel.InNewThread(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			return err
		}
		if ns, err := userns.Open(uids, gids); ns != nil || !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v, %v", ns, err)
		}
		return nil
	}))
}

// Many at a time give as many namespaces, each with its own maps, and no sign of
// a child to anybody else.
func TestOpenFromManyGoroutines(t *testing.T) {
	const goroutines, rounds = 50, 4
	checkDescriptors(t)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	defer signal.Stop(signals)
	stop := peekForChildren(t)

	var all [goroutines][rounds]*os.File
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for j := range rounds {
				ids := []userns.IDMap{{ContainerID: 0, HostID: uint32(1000*i + j + 1), Size: 1}}
				ns, err := userns.Open(ids, ids)
				if err != nil {
					t.Error(err)
					return
				}
				all[i][j] = ns
			}
		})
	}
	wg.Wait()
	stop()
	if err := children(unix.WALL); err != unix.ECHILD {
		t.Errorf("children are left: %v", err)
	}
	select {
	case s := <-signals:
		t.Errorf("got %v", s)
	default:
	}
	checkOwners(t, all[:], rounds)
}

// checkOwners closes the namespaces and checks that no two are the same.
func checkOwners(t *testing.T, all [][4]*os.File, rounds int) {
	t.Helper()
	seen := make(map[uint64]bool)
	for i := range all {
		for j, ns := range all[i] {
			var st unix.Stat_t
			must(t, unix.Fstat(int(ns.Fd()), &st))
			if seen[st.Ino] {
				t.Errorf("namespace %d of %d is another's", j, i)
			}
			seen[st.Ino] = true
			if i%10 == 0 && j == rounds-1 {
				want := fmt.Sprintf("0 %d 1", 1000*i+j+1)
				if got := inside(t, ns, "cat", "/proc/self/uid_map"); got != want {
					t.Errorf("maps %q, want %q", got, want)
				}
			}
			must(t, ns.Close())
		}
	}
}

// peekForChildren looks for ended children the way a reaper of orphans does, all
// the time until it is stopped.
func peekForChildren(t *testing.T) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := children(0); err != unix.ECHILD && err != unix.EINTR {
				t.Errorf("a wait for any child sees one: %v", err)
				return
			}
			runtime.Gosched()
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// A holder does not outlive the process that made it, however that ends.
func TestHolderDiesWithItsParent(t *testing.T) {
	// Orphans come here, to be seen and reaped.
	must(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holdOnly+"=1")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	var pid int
	_, err = fmt.Sscan(line, &pid)
	must(t, err)
	pidfd, err := unix.PidfdOpen(pid, 0)
	must(t, err)
	defer unix.Close(pidfd)

	must(t, cmd.Process.Signal(syscall.SIGKILL))
	cmd.Wait()
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED|unix.WALL, nil)
		if err != unix.EINTR {
			must(t, err)
			return
		}
	}
}

// checkDescriptors fails the test if it ends with other descriptors than it
// began with.
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
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	open := make(map[string]string)
	for _, e := range entries {
		// What read the directory is closed again, and gone.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = target
		}
	}
	return open
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		openAndClose(b)
	}
}

func BenchmarkOpenParallel(b *testing.B) {
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			openAndClose(b)
		}
	})
}

func openAndClose(b *testing.B) {
	ns, err := userns.Open(uids, gids)
	if err != nil {
		b.Error(err)
		return
	}
	ns.Close()
}
