package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// proc is the guest's /proc, opened before any test runs: one that covers /proc
// by mistake must not blind the inventory.
var proc *os.Root

// inventory is what a test binary must not change on its machine.
type inventory struct {
	mounts, processes, cgroups map[string]bool
}

func takeInventory() inventory {
	return inventory{mounts: mountLines(), processes: processNames(), cgroups: cgroupDirs()}
}

// leaks names what is on the machine now and was not in the inventory. What is
// on its way out gets some time: the kernel ends processes in its own time, and a
// host service takes leave of those that it has started.
func (before inventory) leaks() []string {
	endServices()
	var found []string
	for range 600 {
		now := takeInventory()
		found = slices.Concat(
			added("mount", before.mounts, now.mounts),
			added("process", before.processes, now.processes),
			added("cgroup", before.cgroups, now.cgroups))
		if len(found) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return found
}

// endServices asks tango's host services to end. One that stays, or that leaves
// anything behind, is a leak.
func endServices() {
	dirs, _ := fs.Glob(proc.FS(), "[0-9]*")
	for _, d := range dirs {
		command, err := proc.ReadFile(d + "/cmdline")
		words := strings.Split(string(command), "\x00")
		pid, _ := strconv.Atoi(d)
		if err == nil && len(words) > 1 && slices.Contains(services, words[1]) && strings.HasSuffix(words[0], "containerd-shim-tango-v2") {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	}
}

// services are the shim's actions that outlive shims for a while.
var services = []string{"service", "keep"}

// restore takes leaked processes and mounts away, so that the next tests fail for
// faults of their own only. A leaked mount that propagation has put below one of
// the machine's own stays: nobody sees it.
func (before inventory) restore() {
	for p := range processNames() {
		pid, err := strconv.Atoi(strings.Fields(p)[0])
		if err == nil && !before.processes[p] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	mounts := slices.DeleteFunc(slices.Collect(maps.Keys(mountLines())), func(m string) bool { return before.mounts[m] })
	slices.SortFunc(mounts, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, m := range slices.Concat(mounts, mounts) { // twice, for what was below another
		id, at, _ := strings.Cut(m, " at ")
		if topmost(at) == id {
			_ = syscall.Unmount(at, syscall.MNT_DETACH|umountNoFollow)
		}
	}
}

// topmost returns the number of the mount that a path leads to.
func topmost(path string) string {
	fd, err := syscall.Open(path, oPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	info, _ := proc.ReadFile(fmt.Sprintf("%d/fdinfo/%d", os.Getpid(), fd))
	_, id, _ := strings.Cut(string(info), "mnt_id:")
	id, _, _ = strings.Cut(strings.TrimSpace(id), "\n")
	return id
}

// oPath is O_PATH, for which package syscall has no name on amd64.
const oPath = 0x200000

// umountNoFollow is UMOUNT_NOFOLLOW, for which package syscall has no name.
const umountNoFollow = 8

func added(what string, before, now map[string]bool) []string {
	var found []string
	for name := range now {
		if !before[name] {
			found = append(found, what+" "+name)
		}
	}
	sort.Strings(found)
	return found
}

// mountLines returns the mounts of PID 1's namespace, without those that
// automounts and logins of systemd bring.
func mountLines() map[string]bool {
	lines := map[string]bool{}
	b, err := proc.ReadFile("1/mountinfo")
	if err != nil {
		return lines
	}
	for l := range strings.Lines(string(b)) {
		f := strings.Fields(l)
		if len(f) < 5 || f[4] == "/proc/sys/fs/binfmt_misc" || strings.HasPrefix(f[4], "/run/user/") || strings.HasPrefix(f[4], "/run/credentials/") {
			continue
		}
		lines[f[0]+" at "+f[4]] = true
	}
	return lines
}

// processNames returns the processes that are neither the kernel's nor services
// of systemd.
func processNames() map[string]bool {
	names := map[string]bool{}
	dirs, _ := fs.Glob(proc.FS(), "[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(d)
		command, err := proc.ReadFile(d + "/cmdline")
		if err != nil || pid == os.Getpid() {
			continue
		}
		stat, _ := proc.ReadFile(d + "/stat")
		cgroup, _ := proc.ReadFile(d + "/cgroup")
		if len(command) == 0 && !strings.Contains(string(stat), ") Z ") || ofSystemd(string(cgroup)) {
			continue
		}
		line := strings.ReplaceAll(string(command), "\x00", " ")
		names[fmt.Sprintf("%d %s", pid, line)] = true
	}
	return names
}

// ofSystemd says whether a cgroup path belongs to one of systemd's own units;
// tests live in tango-guest.service and in units that they make themselves.
func ofSystemd(path string) bool {
	for _, own := range []string{"/init.scope", "/user.slice", "/system.slice/systemd-", "/system.slice/dbus", "/system.slice/apt-", "/system.slice/e2scrub", "/system.slice/dev-", "/system.slice/tmp.mount", "/system.slice/logrotate"} {
		if strings.Contains(path, own) {
			return true
		}
	}
	return false
}

// cgroupDirs returns all cgroups, in every hierarchy.
func cgroupDirs() map[string]bool {
	dirs := map[string]bool{}
	_ = filepath.WalkDir(cgroupRoot, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && !ofSystemd(path) {
			dirs[path] = true
		}
		return nil
	})
	return dirs
}
