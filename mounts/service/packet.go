package service

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// packets are buffers for one message. They are taken when there is something to
// read, so that a connection on which nothing comes costs no memory.
var packets = sync.Pool{New: func() any { return new([maxPacket + 1]byte) }}

// controlSize holds MaxFiles descriptors. The kernel throws away what does not
// fit, and says so.
var controlSize = unix.CmsgSpace(MaxFiles * 4)

// send sends the message; its files stay the caller's.
func send(c *net.UnixConn, m *message) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	var control []byte
	if len(m.files) > 0 {
		fds := make([]int, len(m.files))
		for i, f := range m.files {
			fds[i] = int(f.Fd())
		}
		control = unix.UnixRights(fds...)
	}
	n, _, err := c.WriteMsgUnix(b, control, nil)
	runtime.KeepAlive(m.files)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("cannot send a message: %w", err)
	}
	return nil
}

// receive waits for a message, which owns the files that came with it. At the
// connection's end it is io.EOF, as for an empty packet.
func receive(c *net.UnixConn) (*message, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var m *message
	var got error
	err = raw.Read(func(fd uintptr) bool {
		m, got = receiveNow(int(fd))
		return !errors.Is(got, unix.EAGAIN)
	})
	return m, errors.Join(err, got)
}

// receiveNow reads a packet that is there, or is EAGAIN.
func receiveNow(fd int) (*message, error) {
	buffer, _ := packets.Get().(*[maxPacket + 1]byte)
	defer packets.Put(buffer)
	control := make([]byte, controlSize)
	n, controlled, flags, err := recvmsg(fd, buffer[:], control)
	if err != nil {
		return nil, err
	}
	files, err := takeFiles(control[:controlled])
	if err == nil {
		var m *message
		if m, err = check(buffer[:n], flags, len(files)); err == nil {
			m.files = files
			return m, nil
		}
	}
	closeFiles(files)
	return nil, err
}

func recvmsg(fd int, b, control []byte) (n, controlled, flags int, err error) {
	for {
		n, controlled, flags, _, err = unix.Recvmsg(fd, b, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return n, controlled, flags, err
		}
	}
}

// takeFiles makes files of all descriptors in control messages. It never leaves
// one unowned: those it returns with an error are to be closed, too.
func takeFiles(control []byte) (files []*os.File, _ error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("cannot read descriptors: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, fmt.Errorf("cannot read descriptors: %w", errFiles)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// check decodes a packet that came with these flags and so many files.
func check(b []byte, flags, files int) (*message, error) {
	if flags&unix.MSG_TRUNC != 0 {
		return nil, errLong
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return nil, errFiles
	}
	if len(b) == 0 && files == 0 {
		return nil, io.EOF
	}
	m, told, err := decode(b)
	if err == nil && told != files {
		err = errFiles
	}
	return m, err
}

// peerUID is the user at the other end of the connection, as the kernel saw him
// when he connected or listened.
func peerUID(c *net.UnixConn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var got error
	err = raw.Control(func(fd uintptr) { peer, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, got); err != nil {
		return 0, fmt.Errorf("cannot find out who is at the other end: %w", err)
	}
	return peer.Uid, nil
}
