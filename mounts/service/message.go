package service

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
)

// Version is the protocol's. It is part of the socket's name, so that two of them
// live side by side on one host while it is upgraded.
const Version = 1

// Limits of a message.
const (
	MaxPayload = 64 << 10 // bytes
	MaxFiles   = 16       // descriptors
)

// kind says what a message is.
type kind uint16

// The kinds of protocol version 1; the numbers are part of it.
const (
	kindReply   kind = 1 // status, payload, files; hold tells of a lease
	kindLease   kind = 2 // node, limit, hold
	kindRelease kind = 3 // of the lease; has no reply
	kindWork    kind = 4 // node, limit, payload, files; hold asks for a lease after it
	kindStats   kind = 5
)

// message is what goes over the socket in one packet, with a header of fixed
// size: little-endian numbers in the order of the fields, then the payload.
type message struct {
	kind   kind
	node   topology.NodeID // of a request
	status unix.Errno      // of a reply: 0, or what went wrong, with the words in payload
	limit  time.Duration   // of a request: how long the service may take; its sender waits longer
	hold   time.Duration   // of a request for a lease: for how long at most; of its reply: for how long
	// payload is that of the request's kind, or of its reply.
	payload []byte
	// files are owned by the message. Only their number is in the header.
	files []*os.File
}

// The header: version 0:2, kind 2:4, number of files 4:6, zero 6:8, node 8:12,
// status 12:16, limit 16:24, hold 24:32.
const headerSize = 32

// maxPacket is the longest message there is.
const maxPacket = headerSize + MaxPayload

var (
	errShort   = errors.New("message is shorter than its header")
	errLong    = errors.New("message is too long")
	errVersion = errors.New("message is of another version")
	errKind    = errors.New("message is of no known kind")
	errHeader  = errors.New("message has an impossible header")
	errFiles   = errors.New("message has other descriptors than it says")
)

// tooLong tells whether the message can't be sent.
func (m *message) tooLong() bool { return len(m.payload) > MaxPayload || len(m.files) > MaxFiles }

// encode is the message as it goes over the socket, without the files.
func (m *message) encode() ([]byte, error) {
	if m.tooLong() {
		return nil, fmt.Errorf("cannot send %d bytes and %d descriptors: %w", len(m.payload), len(m.files), errLong)
	}
	b := make([]byte, headerSize, headerSize+len(m.payload))
	binary.LittleEndian.PutUint16(b[0:], Version)
	binary.LittleEndian.PutUint16(b[2:], uint16(m.kind))
	binary.LittleEndian.PutUint16(b[4:], uint16(len(m.files)))
	binary.LittleEndian.PutUint32(b[8:], uint32(int32(m.node)))
	binary.LittleEndian.PutUint32(b[12:], uint32(m.status))
	binary.LittleEndian.PutUint64(b[16:], uint64(m.limit))
	binary.LittleEndian.PutUint64(b[24:], uint64(m.hold))
	return append(b, m.payload...), nil
}

// decode reads a packet; files is how many descriptors should have come with it.
// The payload is a copy.
func decode(b []byte) (m *message, files int, err error) {
	switch {
	case len(b) < headerSize:
		return nil, 0, errShort
	case len(b) > maxPacket:
		return nil, 0, errLong
	case binary.LittleEndian.Uint16(b[0:]) != Version:
		return nil, 0, errVersion
	}
	m = &message{
		kind:   kind(binary.LittleEndian.Uint16(b[2:])),
		node:   topology.NodeID(int32(binary.LittleEndian.Uint32(b[8:]))),
		status: unix.Errno(binary.LittleEndian.Uint32(b[12:])),
		limit:  time.Duration(binary.LittleEndian.Uint64(b[16:])),
		hold:   time.Duration(binary.LittleEndian.Uint64(b[24:])),
	}
	files = int(binary.LittleEndian.Uint16(b[4:]))
	if m.kind < kindReply || m.kind > kindStats {
		return nil, 0, errKind
	}
	if binary.LittleEndian.Uint16(b[6:]) != 0 || files > MaxFiles || m.limit < 0 || m.hold < 0 {
		return nil, 0, errHeader
	}
	m.payload = append(m.payload, b[headerSize:]...)
	return m, files, nil
}

// close closes the message's files.
func (m *message) close() { closeFiles(m.files) }

func closeFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
