package contention

import (
	"strings"
	"testing"
)

const kallsyms = `ffffffff81000000 T _text
ffffffff81000100 t namespace_unlock
ffffffff81000200 t path_umount
ffffffff81000300 D some_data
ffffffff81000400 T do_syscall_64
ffffffff82000000 T __sched_text_start
ffffffff82000000 t __mutex_lock.constprop.0
ffffffff82000100 T mutex_lock
ffffffff82000200 T __sched_text_end
ffffffff82000300 t exp_funnel_lock
ffffffff82000400 T synchronize_rcu_expedited
ffffffff82000500 T after
ffffffffc0000000 t inside	[overlay]
`

func TestSymbols(t *testing.T) {
	s, err := parseSymbols(strings.NewReader(kallsyms))
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[uint64]string{
		0xffffffff81000100: "namespace_unlock", 0xffffffff810001ff: "namespace_unlock", 0xffffffff81000350: "path_umount",
		0xffffffff82000010: "__mutex_lock.constprop.0", 0xffffffffc0000004: "inside", 0x10: "?",
	} {
		if got := s.Name(ip); got != want {
			t.Errorf("%x is %q, want %q", ip, got, want)
		}
	}
	if !s.inLock(0xffffffff82000110) || s.inLock(0xffffffff82000310) || s.inLock(0xffffffff82000200) {
		t.Error("the code of locks was not found")
	}
}

func TestSymbolsThatAreHidden(t *testing.T) {
	if _, err := parseSymbols(strings.NewReader("0000000000000000 T _text\n")); err == nil || !strings.Contains(err.Error(), "kptr_restrict") {
		t.Errorf("got %v", err)
	}
	if _, err := parseSymbols(strings.NewReader("nothex T _text\n")); err == nil {
		t.Error("nonsense was taken")
	}
}

// TestCaller has the stacks of Linux 6.18.
func TestCaller(t *testing.T) {
	s, err := parseSymbols(strings.NewReader(kallsyms))
	if err != nil {
		t.Fatal(err)
	}
	umount := Wait{Stack: []uint64{
		0xffffffff82000010, 0xffffffff82000310, 0xffffffff82000410, 0xffffffff81000110, 0xffffffff81000210, 0xffffffff81000410, 0xffffffff81000000,
	}}
	if got := s.Caller(umount); got != "namespace_unlock" {
		t.Errorf("the caller is %q", got)
	}
	if got, want := s.Path(umount), "exp_funnel_lock < synchronize_rcu_expedited < namespace_unlock < path_umount"; got != want {
		t.Errorf("the path is %q, want %q", got, want)
	}
	inLocks := Wait{Stack: []uint64{1, 2, 3, 0xffffffff82000110, 0xffffffff82000010, 0xffffffff81000210}}
	if got := s.Caller(inLocks); got != "path_umount" {
		t.Errorf("the caller is %q", got)
	}
	if got := s.Caller(Wait{Stack: []uint64{1, 2}}); got != "?" {
		t.Errorf("a short stack's caller is %q", got)
	}
}

func TestMountClass(t *testing.T) {
	for _, name := range []string{"namespace_unlock", "kern_unmount_array", "path_mount", "__x64_sys_open_tree", "__do_sys_pivot_root", "copy_mnt_ns", "show_mountinfo"} {
		if !IsMountClass(name) {
			t.Errorf("%s is not taken for one of the mount table's", name)
		}
	}
	for _, name := range []string{"synchronize_rcu_expedited", "anon_pipe_read", "?"} {
		if IsMountClass(name) {
			t.Errorf("%s is taken for one of the mount table's", name)
		}
	}
}

func TestFlags(t *testing.T) {
	for f, want := range map[Flags]string{0: "other", Spin | Mutex: "spin|mutex", Read: "read", PerCPU | Write: "write|percpu"} {
		if got := f.String(); got != want {
			t.Errorf("%d is %q, want %q", f, got, want)
		}
	}
}
