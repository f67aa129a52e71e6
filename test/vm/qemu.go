package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tango/test/vm/job"
)

// memory is a guest's, over all its nodes, in MiB.
const memory = 2048

// silence is how long a guest may say nothing: no line of a test, no event. It is
// longer than a test waits for what never comes, so that the test can tell.
const silence = 12 * time.Minute

// bootLimit is how long a guest may take until it says its first word. It takes half a minute
// at most, with systemd; one that takes much longer never comes up.
const bootLimit = 3 * time.Minute

var errNotUp = fmt.Errorf("guest did not come up in %v", bootLimit)

// guest is one boot of one machine.
type guest struct {
	machine
	qemu    emulator
	image   image
	disk    string // the root disk, which stays as it is
	payload *payload
	tests   []job.Test
	dir     string // empty, for this guest alone
	limit   time.Duration
	cpu     time.Duration // what QEMU has used, after boot
}

func (g *guest) console() string   { return filepath.Join(g.dir, "console") }
func (g *guest) events() string    { return filepath.Join(g.dir, "events") }
func (g *guest) initramfs() string { return filepath.Join(g.dir, "initramfs") }

// attempts is how often a guest may end before it has said anything, which is before
// anything of ours runs in it. QEMU 10 without KVM fails an assertion of its own now and
// then while CPUs and devices come up (iotlb_to_section in system/physmem.c), and of some
// thirty boots one kernel died of what an emulated CPU had made of its code; another stood still.
const attempts = 3

// boot runs the guest until it powers off, and says what ended it otherwise.
func (g *guest) boot(ctx context.Context) error {
	for n := 1; ; n++ {
		err := g.bootOnce(ctx)
		if n == attempts || g.spoke() || err != nil && !aborted(err) && !errors.Is(err, errNotUp) {
			return err
		}
		fmt.Printf("%-16s again: it ended before it was up (%v)\n", g.Name, err)
	}
}

// aborted tells whether QEMU gave up by itself.
func aborted(err error) bool {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGABRT
}

// spoke tells whether anything was heard of the guest.
func (g *guest) spoke() bool {
	info, err := os.Stat(g.events())
	return err == nil && info.Size() > 0
}

func (g *guest) bootOnce(ctx context.Context) error {
	j := job.Job{Machine: g.Machine, Modules: g.image.Modules, Groups: g.tests}
	if err := g.image.writeInitramfs(g.initramfs(), g.payload.guest, j); err != nil {
		return err
	}
	defer os.Remove(g.initramfs())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, g.qemu.program, g.arguments()...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+g.dir) // for the disks' temporary writes
	watched := make(chan struct{})
	go func() { defer close(watched); g.watch(ctx, cancel) }()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		g.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	cause := context.Cause(ctx)
	cancel(nil)
	<-watched
	if cause != nil {
		return cause
	}
	if err != nil {
		return fmt.Errorf("QEMU failed: %w: %s", err, out)
	}
	return nil
}

// watch ends a guest that is silent for too long, or lives for too long.
func (g *guest) watch(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var size int64
	var lived, silent time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Ticks are counted, not hours: a host that sleeps doesn't make a guest late.
		lived, silent = lived+time.Second, silent+time.Second
		if info, err := os.Stat(g.events()); err == nil && info.Size() != size {
			size, silent = info.Size(), 0
		}
		switch {
		case lived > g.limit:
			end(fmt.Errorf("guest was still running after %v", g.limit))
		case size == 0 && silent > bootLimit:
			end(errNotUp)
		case silent > silence:
			end(fmt.Errorf("guest hung: nothing heard for %v", silence))
		}
	}
}

// arguments is QEMU's command line.
func (g *guest) arguments() []string {
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "pc", "-m", fmt.Sprint(memory),
		"-kernel", g.image.vmlinuz(), "-initrd", g.initramfs(), "-append", g.commandLine(),
		"-chardev", "file,id=console,path=" + g.console(), "-serial", "chardev:console",
		"-device", "virtio-serial-pci", "-chardev", "file,id=events,path=" + g.events(),
		"-device", "virtserialport,chardev=events,name=" + job.Port,
		"-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng",
	}
	args = append(args, disk("tango-root", g.disk)...)
	args = append(args, disk("tango-payload", g.payload.disk)...)
	return slices.Concat(args, g.qemu.args, accelerator(), topology(g.Machine))
}

// commandLine is the kernel's: panics end the guest at once, warnings reach the
// console, pressure is measured, and nothing is spent on mitigations that an
// emulated CPU needs not.
func (g *guest) commandLine() string {
	words := []string{"console=ttyS0", "panic=-1", "oops=panic", "loglevel=5", "mitigations=off", "no_timer_check", "psi=1"}
	words = append(words, quietClocks...)
	if !kvm() {
		words = append(words, emulatedClocks()...)
	}
	if g.Systemd {
		words = append(words, "audit=0", "systemd.show_status=false")
		for _, unit := range maskedUnits {
			words = append(words, "systemd.mask="+unit)
		}
	}
	return strings.Join(append(words, strings.Fields(g.Append)...), " ")
}

// quietClocks turn off the kernel's watches over its own CPUs: one that the host
// doesn't run is late, not stuck.
var quietClocks = []string{"nosoftlockup", "nowatchdog", "rcupdate.rcu_cpu_stall_suppress=1", "workqueue.watchdog_thresh=0"}

// maskedUnits are those that a guest spends time on and no test needs.
var maskedUnits = []string{
	"getty.target", "systemd-udev-trigger.service", "apt-daily.timer", "apt-daily-upgrade.timer",
	"fstrim.timer", "e2scrub_all.timer", "e2scrub_reap.service", "dpkg-db-backup.timer",
	"systemd-networkd.service", "systemd-hibernate-clear.service", "systemd-pstore.service",
}

// disk is a virtio disk whose writes go to a temporary file.
func disk(serial, file string) []string {
	return []string{
		"-drive", "if=none,id=" + serial + ",format=raw,snapshot=on,cache=unsafe,file=" + file,
		"-device", "virtio-blk-pci,drive=" + serial + ",serial=" + serial,
	}
}

// accelerator is KVM where the CPU says that it can: /dev/kvm alone does not
// mean that Debian's kernels boot under it. Five-level page tables only slow an
// emulated CPU down, and CMPXCHG16B goes wrong on one: with QEMU 7.2 it returns
// with garbage in EFLAGS now and then, which killed Linux 6.12 in __kmalloc.
func accelerator() []string {
	if kvm() {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return []string{"-accel", "tcg,thread=multi", "-cpu", "max,la57=off,cx16=off"}
}

func kvm() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && (strings.Contains(string(b), " vmx ") || strings.Contains(string(b), " svm "))
}

// topology deals CPUs and memory out to the nodes; each node is a socket, and
// the last nodes are those without memory.
func topology(m job.Machine) []string {
	each := m.CPUs / m.Nodes
	args := []string{"-smp", fmt.Sprintf("%d,sockets=%d,cores=%d,threads=%d", m.CPUs, m.Nodes, each/m.Threads, m.Threads)}
	withMemory := m.Nodes - m.EmptyNodes
	for n := range m.Nodes {
		node := fmt.Sprintf("node,nodeid=%d,cpus=%d-%d", n, n*each, (n+1)*each-1)
		if n < withMemory {
			args = append(args, "-object", fmt.Sprintf("memory-backend-ram,id=node%d,size=%dM", n, memory/withMemory))
			node += fmt.Sprintf(",memdev=node%d", n)
		}
		args = append(args, "-numa", node)
	}
	return args
}

// needed are the programs that the matrix runs; provision.sh host installs them.
var needed = []string{"qemu-system-x86_64", "debootstrap", "depmod", "xz", "mkfs.ext4", "unshare", "apt-get", "dpkg-deb"}

// checkHost says what is missing on this machine.
func checkHost() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("the matrix needs root, to build the guests' disk"))
	}
	for _, n := range needed {
		if _, err := exec.LookPath(n); err != nil {
			errs = append(errs, fmt.Errorf("%s is missing: test/vm/provision.sh host installs it", n))
		}
	}
	return errors.Join(errs...)
}
