package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/service"
	"tango/mounts/topology"
	"tango/mounts/worker"
	"tango/rootfs"
)

// capabilities are all that a mount service needs whose shims have no more. Those of
// the second kind it never uses itself: overlays do that it has made, when containers
// change files of their layers.
var capabilities = map[string]uint{
	"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, // mounts
	"CAP_SETUID":    unix.CAP_SETUID,    // maps of user namespaces
	"CAP_SETGID":    unix.CAP_SETGID,

	"CAP_CHOWN":        unix.CAP_CHOWN, // copies of others' files
	"CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE,
	"CAP_FOWNER":       unix.CAP_FOWNER,
	"CAP_SETFCAP":      unix.CAP_SETFCAP, // with their capabilities
}

// calls are all the system calls that a mount service makes when it has started up. It
// executes nothing.
var calls = slices.Concat(
	[]uint32{ // the Go runtime and libc
		unix.SYS_BRK, unix.SYS_CLONE, unix.SYS_CLONE3, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT,
		unix.SYS_EVENTFD2, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_FUTEX, unix.SYS_GETCPU, unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETRANDOM, unix.SYS_GETRLIMIT,
		unix.SYS_GETTID, unix.SYS_MADVISE, unix.SYS_MEMBARRIER, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MUNMAP, unix.SYS_NANOSLEEP,
		unix.SYS_PRLIMIT64, unix.SYS_RESTART_SYSCALL, unix.SYS_RSEQ, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN,
		unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_YIELD, unix.SYS_SET_ROBUST_LIST, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL, unix.SYS_UNAME,
	},
	[]uint32{ // files, of /proc and /sys mostly
		unix.SYS_CLOSE, unix.SYS_FCHMODAT, unix.SYS_FCNTL, unix.SYS_FLOCK, unix.SYS_FSTAT, unix.SYS_FSTATFS, unix.SYS_GETDENTS64,
		unix.SYS_GETEUID, unix.SYS_GETUID, unix.SYS_IOCTL, unix.SYS_LSEEK, unix.SYS_MKDIRAT, unix.SYS_NEWFSTATAT, unix.SYS_OPENAT,
		unix.SYS_OPENAT2, unix.SYS_PREAD64, unix.SYS_READ, unix.SYS_READLINKAT, unix.SYS_STATX, unix.SYS_SYMLINKAT, unix.SYS_UNLINKAT, unix.SYS_WRITE,
	},
	[]uint32{ // its socket
		unix.SYS_ACCEPT4, unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_GETSOCKNAME, unix.SYS_GETSOCKOPT, unix.SYS_LISTEN,
		unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_SETSOCKOPT, unix.SYS_SOCKET,
	},
	[]uint32{ // user namespaces, and where threads run
		unix.SYS_CAPGET, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PPOLL, unix.SYS_PRCTL, unix.SYS_SCHED_SETAFFINITY, unix.SYS_WAITID,
	},
	[]uint32{ // mounts; some only on kernels that lack others
		unix.SYS_CHDIR, unix.SYS_FCHDIR, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSOPEN, unix.SYS_MOUNT, unix.SYS_MOUNT_SETATTR,
		unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_PIVOT_ROOT, unix.SYS_SETNS, unix.SYS_STATMOUNT, unix.SYS_UMOUNT2,
		unix.SYS_UNSHARE,
	},
)

// init has the test binary be a service on the budget, if it is told to.
func init() {
	dir := os.Getenv(budgetEnv)
	if dir == "" {
		return
	}
	if err := serveOnBudget(dir); err != nil {
		fmt.Fprintln(os.Stderr, "the service on a budget:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestBudget: a service that has these capabilities only, and may make these system
// calls only, builds roots in which containers can do what they do; without any one
// of the capabilities it, or they, can't.
func TestBudget(t *testing.T) {
	options := map[string][]string{"plain": nil}
	if mappedHere(t) {
		options["mapped"] = mapped
	}
	for name, o := range options {
		if err := onBudget(t, capabilities, o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name := range capabilities {
		less := maps.Clone(capabilities)
		delete(less, name)
		var errs []error
		for _, o := range options {
			errs = append(errs, onBudget(t, less, o))
		}
		if err := errors.Join(errs...); err == nil {
			t.Errorf("all goes well without %s: it is not needed", name)
		} else {
			t.Logf("without %s: %v", name, err)
		}
	}
}

// onBudget has a service with these capabilities build a root, and uses that.
func onBudget(t *testing.T, caps map[string]uint, options []string) error {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "service")
	end, err := startOnBudget(dir, caps)
	if err != nil {
		return err
	}
	features, err := kernel.Detect()
	must(t, err)
	h := &host{dir: dir, preparer: rootfs.New(rootfs.Config{Features: features})}
	ms := layers(t, 2, options...)
	furnish(t, firstLayer(ms))
	err = kernel.InNewThread(func() error {
		if err := limit(caps); err != nil {
			return err
		}
		b, err := Build(patient(t), h.client(nil), Order{
			Plan: parse(t, ms), Node: worker.AnyNode, Turn: time.Minute, Preparer: h.preparer,
		})
		if err != nil {
			return err
		}
		defer b.Root.Close()
		defer b.Turn.Release()
		if b.Here {
			return errors.New("the service has not built it")
		}
		return live(t, b.Root)
	})
	return errors.Join(err, h.preparer.Close(), end())
}

// furnish makes what live changes, each another user's.
func furnish(t *testing.T, layer string) {
	t.Helper()
	for _, name := range []string{"mine", "removed", "raised"} {
		must(t, os.WriteFile(filepath.Join(layer, name), []byte("old"), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(layer, "dir"), 0o700))
	must(t, os.WriteFile(filepath.Join(layer, "dir/file"), nil, 0o600))
	for _, name := range []string{"mine", "removed", "raised", "dir", "dir/file"} {
		must(t, os.Lchown(filepath.Join(layer, name), 1000, 1000))
	}
	must(t, unix.Setxattr(filepath.Join(layer, "raised"), "security.capability", netRaw, 0))
}

// netRaw is a file's capability, as it is on disk (vfs_cap_data of version 2).
var netRaw = []byte{1, 0, 0, 2, 0, 1 << 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// live does in a root what containers do: it changes files of the layers.
func live(t *testing.T, root *rootfs.Rootfs) error {
	at := t.TempDir()
	return kernel.InNewThread(func() error {
		if err := errors.Join(kernel.UnshareNamespace(), kernel.SetPropagation("/", kernel.Private, true), root.AttachInPlace(at)); err != nil {
			return err
		}
		raised := make([]byte, 64)
		if err := os.Chmod(filepath.Join(at, "raised"), 0o711); err != nil {
			return err
		}
		if n, err := unix.Getxattr(filepath.Join(at, "raised"), "security.capability", raised); err != nil || n == 0 {
			return fmt.Errorf("a file's capability was lost: %w", err)
		}
		return errors.Join(
			os.WriteFile(filepath.Join(at, "mine"), []byte("new"), 0o600),
			os.Remove(filepath.Join(at, "removed")),
			os.RemoveAll(filepath.Join(at, "dir")), os.Mkdir(filepath.Join(at, "dir"), 0o700),
			os.WriteFile(filepath.Join(at, "another"), nil, 0o600), os.Lchown(filepath.Join(at, "another"), 1000, 1000),
		)
	})
}

// limit leaves the calling thread these capabilities.
func limit(caps map[string]uint) error {
	var data [2]unix.CapUserData
	for _, c := range caps {
		data[c/32].Effective |= 1 << (c % 32)
		data[c/32].Permitted |= 1 << (c % 32)
	}
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
}

// budgetEnv has the test binary be a service on the budget, in a directory.
const budgetEnv = "TANGO_TEST_BUDGET"

// startOnBudget starts a service that has no other capabilities. It serves when this
// returns; end ends it.
func startOnBudget(dir string, caps map[string]uint) (end func() error, _ error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), budgetEnv+"="+dir)
	said := &strings.Builder{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	err = kernel.InNewThread(func() error {
		for c := range uint(unix.CAP_LAST_CAP + 1) {
			if slices.Contains(slices.Collect(maps.Values(caps)), c) {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return err
			}
		}
		return cmd.Start()
	})
	if err != nil {
		return nil, err
	}
	end = func() error {
		err := errors.Join(in.Close(), cmd.Wait())
		if said.Len() > 0 {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return err
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		return nil, errors.Join(err, end())
	}
	return end, nil
}

// serveOnBudget is that service: it says so by one byte, and ends with its input.
func serveOnBudget(dir string) error {
	if err := allowOnly(calls); err != nil {
		return err
	}
	machine, err := topology.ReadNodes(topology.Roots{})
	if err != nil {
		return err
	}
	workers, err := worker.Open(machine, worker.Config{Abreast: 2})
	if err != nil {
		return err
	}
	defer workers.Close()
	features, err := kernel.Detect()
	if err != nil {
		return err
	}
	l, err := service.Listen(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = os.Stdout.Write([]byte{1})
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return Serve(ctx, l, Config{Workers: workers, Features: features, Keep: time.Millisecond}, func(line string) { fmt.Fprintln(os.Stderr, line) })
}

// allowOnly has the kernel kill this process if it makes any other call.
func allowOnly(calls []uint32) error {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the call's number
	for _, c := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	}
	// The Go runtime ends at the signal, and prints who has made which call.
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_TRAP})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return errno
	}
	return nil
}
