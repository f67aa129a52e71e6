package service

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrServed says that another process serves the directory. It keeps doing so
// until it ends, also while it is stopped.
var ErrServed = errors.New("another process serves there")

// socketName is the name of a version's socket in the service's directory.
func socketName(version int) string { return "mount.v" + strconv.Itoa(version) + ".sock" }

// SocketPath is where the service of this version of the protocol listens.
func SocketPath(dir string) string { return filepath.Join(dir, socketName(Version)) }

// Listener is the service's socket and the right to serve there.
type Listener struct {
	socket *net.UnixListener
	lock   *os.File // nil if the socket came from elsewhere
}

// Listen makes the service's socket in dir, which it makes, too: for root only,
// the directory (0700) as well as the socket (0600). A socket that a dead service
// left is replaced. It is [ErrServed] if another process serves there.
func Listen(dir string) (*Listener, error) { return listen(dir, Version) }

func listen(dir string, version int) (*Listener, error) {
	if err := makePrivate(dir); err != nil {
		return nil, fmt.Errorf("cannot make the mount service's directory: %w", err)
	}
	path := filepath.Join(dir, socketName(version))
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("cannot serve %s: %w", path, err)
	}
	socket, err := listenAt(path)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("cannot serve %s: %w", path, err)
	}
	return &Listener{socket: socket, lock: lock}, nil
}

// makePrivate makes dir, or checks that it is what it would have made.
func makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o077 != 0 || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory of user %d alone: remove it", dir, os.Geteuid())
	}
	return nil
}

// takeLock takes a lock that ends with the process.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrServed
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// listenAt replaces what a dead service left, but not a socket that somebody has:
// a supervisor listens before there is a service. Nobody else can get at the
// socket before it has its mode, since the directory is private.
func listenAt(path string) (*net.UnixListener, error) {
	if conn, err := net.Dial("unixpacket", path); err == nil { //nolint:gosec // the path is the caller's
		conn.Close()
		return nil, ErrServed
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	socket, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		socket.Close()
		return nil, err
	}
	return socket, nil
}

// ListenerFromFile takes over a socket of type SOCK_SEQPACKET that listens
// already, such as systemd's. It owns f from then on.
func ListenerFromFile(f *os.File) (*Listener, error) {
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot serve the socket that was handed over: %w", err)
	}
	socket, ok := l.(*net.UnixListener)
	if !ok || socket.Addr().Network() != "unixpacket" {
		l.Close()
		return nil, fmt.Errorf("cannot serve the socket that was handed over: it is %s, want unixpacket (ListenSequentialPacket)", l.Addr().Network())
	}
	socket.SetUnlinkOnClose(false)
	return &Listener{socket: socket}, nil
}

// Close removes the socket and gives up the right to serve; a second call does
// nothing. The lock file stays: it is the lock of whoever comes next.
func (l *Listener) Close() error {
	err := l.socket.Close()
	if l.lock != nil {
		l.lock.Close()
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
