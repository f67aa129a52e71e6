package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/worker"
)

func TestListen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "service")
	l, err := Listen(dir)
	must(t, err)
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, SocketPath(dir): os.ModeSocket | 0o600} {
		st, err := os.Stat(path)
		must(t, err)
		if st.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, st.Mode(), want)
		}
	}
	if _, err := Listen(dir); !errors.Is(err, ErrServed) {
		t.Errorf("served twice: %v", err)
	}
	must(t, l.Close())
	must(t, l.Close())
	if _, err := os.Stat(SocketPath(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket left: %v", err)
	}
	l, err = Listen(dir)
	must(t, err)
	must(t, l.Close())
}

// TestListenAfterDeath: what a killed service leaves is replaced.
func TestListenAfterDeath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "service")
	must(t, os.Mkdir(dir, 0o700))
	must(t, unix.Mknod(SocketPath(dir), unix.S_IFSOCK|0o600, 0))
	must(t, os.WriteFile(SocketPath(dir)+".lock", nil, 0o600))
	l, err := Listen(dir)
	must(t, err)
	must(t, l.Close())
}

func TestListenRefusesPlaces(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"open to all":   func(dir string) error { return errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o755)) },
		"another's":     func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 65534, 65534)) },
		"a link":        func(dir string) error { return os.Symlink("/", dir) },
		"a file":        func(dir string) error { return os.WriteFile(dir, nil, 0o700) },
		"below nothing": func(dir string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "service")
			if name == "below nothing" {
				dir = filepath.Join(dir, "service")
			}
			must(t, prepare(dir))
			if l, err := Listen(dir); err == nil {
				t.Error("served, closing gives ", l.Close())
			}
		})
	}
}

// TestTwoVersions: servers of two versions don't see one another.
func TestTwoVersions(t *testing.T) {
	r := serve(t, Config{})
	next, err := listen(r.dir, Version+1)
	must(t, err)
	other := &running{dir: r.dir, log: &lines{}}
	other.serveOn(t, next, Config{Workers: r.workers})
	r.works(t)
	other.stop()
	r.works(t)
}

// TestHandedSocket: a supervisor's socket is served, and left alone at the end.
func TestHandedSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "service")
	supervisor, err := Listen(dir)
	must(t, err)
	t.Cleanup(func() { supervisor.Close() })
	f, err := supervisor.socket.File()
	must(t, err)
	l, err := ListenerFromFile(f)
	must(t, err)
	r := &running{dir: dir, log: &lines{}, workers: openWorkers(t, worker.Config{})}
	r.serveOn(t, l, Config{Workers: r.workers})
	r.works(t)
	supervisor.lock.Close()
	if l, err := Listen(dir); !errors.Is(err, ErrServed) {
		t.Errorf("took the supervisor's socket: %v, %v", l, err)
	}
	r.stop()
	if _, err := os.Stat(SocketPath(dir)); err != nil {
		t.Errorf("the supervisor's socket is gone: %v", err)
	}
}

func TestHandedWrongSocket(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fds[1])
	if l, err := ListenerFromFile(os.NewFile(uintptr(fds[0]), "stream")); err == nil {
		t.Errorf("took %v", l)
	}
}

func TestServeEnds(t *testing.T) {
	r := serve(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l, err := listen(r.dir, Version+1)
	must(t, err)
	must(t, Serve(ctx, l, Config{Workers: r.workers}))
}
