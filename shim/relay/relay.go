// Package relay lets a process that runs already answer for the short-lived ones
// that containerd executes: start, delete and -info. Each of them starts this
// binary, and starting it costs more than what there is to do.
//
// The binary's entry point (package prelude) looks for the host's service, passes on
// arguments, environment, working directory and standard input, prints the answer and
// exits. Where no service answers, nothing has happened, and the process goes on by
// itself. Here is the service's side.
package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"tango/shim/prelude"
)

// Path is where the socket of a name is, below tango's run directory.
func Path(runDir, name string) string { return filepath.Join(runDir, "host", name) }

// Request is what a process asks to be done for it.
type Request struct {
	Peer unix.Ucred // who asks
	Dir  string     // its working directory
	Args []string   // as executed, program name included
	Env  []string
	// Stdin is a file of limited size; the receiver closes it. Its offset is
	// shared with the process that asks: it must not move.
	Stdin *os.File
}

// Reply is what the process writes and exits with.
type Reply struct {
	Status         int // exit status; Declined: the process goes on by itself
	Stdout, Stderr []byte
}

// Declined is the status that has a process do its work by itself.
const Declined = prelude.Declined

// rooms are for requests on their way in: to clear 128 KiB for each takes longer than
// to read it.
var rooms = sync.Pool{New: func() any { return new([prelude.MaxMessage]byte) }}

// Receive reads the one request of a connection.
func Receive(conn *net.UnixConn) (*Request, error) {
	peer, err := peerOf(conn)
	if err != nil {
		return nil, err
	}
	room := rooms.Get().(*[prelude.MaxMessage]byte)
	defer rooms.Put(room)
	data := room[:]
	control := make([]byte, unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	n, nc, flags, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return nil, fmt.Errorf("cannot read a request: %w", err)
	}
	fds, err := filesOf(control[:nc])
	if err != nil {
		return nil, err
	}
	r, err := parse(data[:n])
	if err == nil && (flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || len(fds) != 1) {
		err = fmt.Errorf("the request is cut off, or has %d descriptors instead of one", len(fds))
	}
	if err != nil {
		for _, f := range fds {
			_ = f.Close()
		}
		return nil, err
	}
	r.Peer, r.Stdin = *peer, fds[0]
	return r, nil
}

// Send answers a request.
func (r *Reply) Send(conn *net.UnixConn) error {
	data := []byte{byte(r.Status)}
	data = binary.NativeEndian.AppendUint32(data, uint32(len(r.Stdout)))
	data = append(append(data, r.Stdout...), r.Stderr...)
	if len(data) > prelude.MaxMessage {
		data = []byte{Declined}
	}
	if _, err := conn.Write(data); err != nil {
		return fmt.Errorf("cannot answer a request: %w", err)
	}
	return nil
}

// parse takes a request apart: see compose in prelude/relay.c.
func parse(data []byte) (*Request, error) {
	text, whole := strings.CutSuffix(string(data), "\x00")
	fields := strings.Split(text, "\x00")
	if !whole || len(fields) < 3 || fields[0] != prelude.Magic {
		return nil, fmt.Errorf("not a request of the kind %s", prelude.Magic)
	}
	dir, rest := fields[1], fields[3:]
	args, err := strconv.ParseUint(fields[2], 10, 16)
	if err != nil || args == 0 || int(args) > len(rest) || !filepath.IsAbs(dir) {
		return nil, errors.New("the request's working directory or number of arguments is wrong")
	}
	return &Request{Dir: dir, Args: rest[:args], Env: rest[args:]}, nil
}

func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find out who asks: %w", err)
	}
	if peer.Uid != uint32(os.Geteuid()) {
		return nil, fmt.Errorf("user %d may not ask, only user %d", peer.Uid, os.Geteuid())
	}
	return peer, nil
}

// filesOf takes the descriptors out of a control message. Go has the kernel set
// close-on-exec on them.
func filesOf(control []byte) ([]*os.File, error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("cannot read a request's descriptors: %w", err)
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // not descriptors
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "stdin"))
		}
	}
	return files, nil
}
