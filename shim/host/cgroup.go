package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"

	"tango/shim/relay"
)

// cgroupPrefix begins the names of services' cgroups.
const cgroupPrefix = "tango-host-"

// cgroup is the service's own, of version 2, below the one that containerd starts shims
// in: what the service does can be told from what containerd and shims do. Who makes the
// service has it born there, and the service has shims born where containerd would
// (CLONE_INTO_CGROUP, Linux 5.7): nobody is moved, which would hold up all forks of the
// machine. Version 1 has no such call, so there the service stays with containerd.
type cgroup struct {
	own, origin string   // paths, as in /proc/PID/cgroup
	dir         string   // where own is
	shims       *os.File // the directory of origin, or nil: the service has none of its own
}

// cgroupName is the same for all services of one socket, so that the next one finds what
// one that was killed has left.
func (c Config) cgroupName() string {
	sum := sha256.Sum256([]byte(relay.Path(c.RunDir, c.Relay)))
	return fmt.Sprintf("%s%x", cgroupPrefix, sum[:4])
}

// unifiedRoot is where cgroup version 2 is mounted, "" if it isn't.
func unifiedRoot() string {
	switch cgroups.Mode() {
	case cgroups.Unified:
		return "/sys/fs/cgroup"
	case cgroups.Hybrid:
		return "/sys/fs/cgroup/unified"
	}
	return ""
}

// unifiedCgroup is this process's cgroup of version 2: its path, and the directory.
func unifiedCgroup() (own, dir string, err error) {
	root := unifiedRoot()
	if root == "" {
		return "", "", errors.New("no cgroup version 2")
	}
	_, own, err = cgroups.ParseCgroupFileUnified("/proc/self/cgroup")
	return own, filepath.Join(root, own), err
}

// openDir opens a cgroup for a process to be born in.
func openDir(dir string) (*os.File, error) {
	return os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// inOwnCgroup makes a service's cgroup and has something born in it. Until then whoever
// sweeps may take it away, as a delete does that no service answers; then it is made anew.
func (c Config) inOwnCgroup(start func(own *os.File) error) (err error) {
	for range 3 {
		err = c.onceInOwnCgroup(start)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
			return err
		}
	}
	return err
}

func (c Config) onceInOwnCgroup(start func(own *os.File) error) error {
	own, err := c.makeCgroup()
	if err != nil {
		return err
	}
	defer own.Close()
	return start(own)
}

// makeCgroup makes a service's cgroup below this process's, for the service to be born in.
func (c Config) makeCgroup() (*os.File, error) {
	_, dir, err := unifiedCgroup()
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, c.cgroupName())
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return openDir(dir)
}

// bornIn has a process begin in a cgroup; nil is this process's own.
func bornIn(cmd *exec.Cmd, dir *os.File) {
	if dir != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
}

// findCgroup tells where this process, a service, was born.
func (c Config) findCgroup() cgroup {
	own, dir, err := unifiedCgroup()
	if err != nil || path.Base(own) != c.cgroupName() {
		return cgroup{}
	}
	shims, err := openDir(filepath.Dir(dir))
	if err != nil {
		return cgroup{}
	}
	return cgroup{own: own, origin: path.Dir(own), dir: dir, shims: shims}
}

// ofShims is /proc/self/cgroup as the service's shims have it.
func (g cgroup) ofShims(ours string) string {
	return strings.Replace(ours, "0::"+g.own+"\n", "0::"+g.origin+"\n", 1)
}

// leave goes back to where containerd is and takes the service's own away. Another service
// may just have been made there, to find that this one runs, and ends at once.
func (g cgroup) leave() {
	if g.shims == nil {
		return
	}
	defer g.shims.Close()
	_ = os.WriteFile(filepath.Join(filepath.Dir(g.dir), "cgroup.procs"), []byte("0"), 0)
	for range 50 {
		if unix.Rmdir(g.dir) != unix.EBUSY {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// SweepCgroups takes away what services that were killed have left below this process's
// cgroup. One that is in use is busy, and stays.
func SweepCgroups() {
	_, dir, err := unifiedCgroup()
	if err != nil {
		return
	}
	left, err := filepath.Glob(filepath.Join(dir, cgroupPrefix+"*"))
	if err != nil {
		return
	}
	for _, l := range left {
		_ = unix.Rmdir(l)
	}
}
