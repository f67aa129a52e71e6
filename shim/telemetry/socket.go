package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	socketName = "telemetry.sock" // datagrams of shims
	statsName  = "stats.sock"     // snapshots for whoever connects
	lockName   = "telemetry.lock"

	// receiveBuffer holds a few hundred records, as far as the kernel's limit on
	// the number of datagrams lets them in.
	receiveBuffer = 1 << 20 // bytes
)

// lock waits until no other process collects for the run directory, for example
// one of another version that is about to end. The caller closes the file.
func lock(ctx context.Context, runDir string) (*os.File, error) {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot collect telemetry: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(runDir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot collect telemetry: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// listenDatagrams makes the socket that shims send to. The lock must be held: a
// socket that is there already is a dead one's.
func listenDatagrams(runDir string) (*net.UnixConn, error) {
	path := filepath.Join(runDir, socketName)
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot take telemetry: %w", err)
	}
	if err := prepareDatagrams(conn, path); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("cannot take telemetry at %s: %w", path, err)
	}
	return conn, nil
}

// prepareDatagrams has the kernel tell who sent each datagram.
func prepareDatagrams(conn *net.UnixConn, path string) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	return errors.Join(err, failed, conn.SetReadBuffer(receiveBuffer), os.Chmod(path, 0o600))
}

// receiver reads datagrams.
type receiver struct {
	conn *net.UnixConn
	data [maxDatagram + 1]byte // one more shows what was cut off
	// oob has room for the sender's credentials and nothing else: descriptors that
	// come along don't fit, and the kernel closes them (scm_detach_fds after
	// put_cmsg, net/core/scm.c).
	oob []byte
}

func newReceiver(conn *net.UnixConn) *receiver {
	return &receiver{conn: conn, oob: make([]byte, unix.CmsgSpace(unix.SizeofUcred))}
}

var errStranger = errors.New("a datagram of another user, or too large")

// next waits for a datagram; its bytes hold until the next call. errStranger is no
// reason to stop.
func (r *receiver) next() ([]byte, error) {
	n, oobn, _, _, err := r.conn.ReadMsgUnix(r.data[:], r.oob)
	if err != nil {
		return nil, err
	}
	if n > maxDatagram || !isOwn(r.oob[:oobn]) {
		return nil, errStranger
	}
	return r.data[:n], nil
}

// isOwn tells whether the credentials that came along are this process's user's.
func isOwn(oob []byte) bool {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return false
	}
	cred, err := unix.ParseUnixCredentials(&messages[0])
	return err == nil && int(cred.Uid) == os.Geteuid()
}

// listenStats makes the socket that answers snapshots.
func listenStats(runDir string) (*net.UnixListener, error) {
	path := filepath.Join(runDir, statsName)
	_ = os.Remove(path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot answer for telemetry: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("cannot answer for telemetry: %w", err)
	}
	return l, nil
}

// peerIsOwn tells whether a connection is this process's user's.
func peerIsOwn(conn syscall.Conn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	own := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		own = err == nil && int(cred.Uid) == os.Geteuid()
	})
	return err == nil && own
}
