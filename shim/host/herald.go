package host

import (
	"context"
	"os"
	"path/filepath"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"
)

// herald says that a container is about to come, before containerd says so: its
// snapshotter makes a directory for the root filesystem some milliseconds before
// containerd makes one for the bundle, and that half a millisecond before it executes a
// shim. Some of what it hears is about nothing, such as an image that is unpacked.
type herald struct {
	Config
	inotify   *os.File
	snapshots string // the directory of these that is watched
}

// announce calls coming each time that a container may be about to come, until ctx is
// done. Without inotify nobody is told beforehand, and all works as well.
func (c Config) announce(ctx context.Context, coming func()) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		log.L.WithError(err).Debug("host service: containers come unannounced")
		return
	}
	h := &herald{Config: c, inotify: os.NewFile(uintptr(fd), "inotify")}
	defer h.inotify.Close()
	h.watch(c.Bundles)
	stop := context.AfterFunc(ctx, func() { _ = h.inotify.Close() })
	defer stop()
	events := make([]byte, 4096) // what they say doesn't matter
	for {
		h.watchSnapshots()
		if _, err := h.inotify.Read(events); err != nil {
			return
		}
		coming()
	}
}

// watchSnapshots watches where the last shim has said that snapshots are made.
func (h *herald) watchSnapshots() {
	dir, err := os.Readlink(snapshotsLink(h.RunDir))
	if err == nil && dir != h.snapshots {
		h.snapshots = dir
		h.watch(dir)
	}
}

// watch has directories that are made in dir be heard of. It holds up nobody who
// unmounts or removes dir.
func (h *herald) watch(dir string) {
	conn, err := h.inotify.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, err = unix.InotifyAddWatch(int(fd), dir, unix.IN_CREATE|unix.IN_ONLYDIR) })
	if err != nil {
		log.L.WithError(err).Debugf("host service: cannot watch %s", dir)
	}
}

// snapshotsLink leads to the directory in which snapshots are made.
func snapshotsLink(runDir string) string { return filepath.Join(runDir, "host", "snapshots") }

// NoteSnapshots tells the host's services that snapshots for containers are made in dir.
// Where there is no service, it does nothing.
func NoteSnapshots(runDir, dir string) {
	link := snapshotsLink(runDir)
	if known, err := os.Readlink(link); err == nil && known == dir {
		return
	}
	_ = os.Remove(link + ".new")
	if os.Symlink(dir, link+".new") == nil {
		_ = os.Rename(link+".new", link)
	}
}
