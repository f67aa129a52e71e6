package contention

import (
	"regexp"
	"slices"
	"strings"
)

// perfSkip is how many functions perf lock contention leaves out at the inner
// end of a stack, before it looks for one that is not a lock's
// (CONTENTION_STACK_SKIP in tools/perf/builtin-lock.c).
const perfSkip = 3

// Caller is the function that a wait is put down to: the same one as with perf
// lock contention, so that both tools' sums can be compared. It is "?" for a
// stack that ends before.
func (s *Symbols) Caller(w Wait) string {
	for _, ip := range w.Stack[min(perfSkip, len(w.Stack)):] {
		if !s.inLock(ip) {
			return s.Name(ip)
		}
	}
	return "?"
}

// mountClass are the callers whose waits are for locks of the mount table:
// namespace_sem, and the mutexes of the RCU grace periods that unmounting waits
// for.
var mountClass = regexp.MustCompile(`namespace_unlock|kern_unmount|path_mount|do_mount|path_umount|ksys_umount|move_mount|open_tree|fsmount|copy_mnt|pivot_root|mnt_ns|mountinfo|m_start|lock_mount|namespace_lock|mount_setattr|vfs_create_mount|clone_private|umount_tree|cleanup_mnt|dissolve_on_fput|put_mnt_ns|mntput`)

// IsMountClass reports whether a caller's waits are for locks of the mount table.
func IsMountClass(caller string) bool { return mountClass.MatchString(caller) }

// entries are the functions through which user programs enter the kernel: what
// comes before them in a stack is the same for all.
var entries = []string{"x64_sys_call", "do_syscall_64", "entry_SYSCALL_64_after_hwframe", "el0_svc", "ret_from_fork", "ret_from_fork_asm"}

// Path is the way from the lock out to the system call, without the functions of
// locks and of the system call's entry.
func (s *Symbols) Path(w Wait) string {
	var names []string
	for _, ip := range w.Stack {
		name := s.Name(ip)
		if s.inLock(ip) {
			continue
		}
		if slices.Contains(entries, name) {
			break
		}
		names = append(names, name)
	}
	return strings.Join(names, " < ")
}
