package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/worker"
)

const nobody = 65534

// asNobody runs f on a thread that is another user.
func asNobody(t *testing.T, f func() error) error {
	t.Helper()
	return kernel.InNewThread(func() error {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			return errno
		}
		return f()
	})
}

// TestOtherUser: the socket can't be reached by other users; one who does get at
// it is not talked to.
func TestOtherUser(t *testing.T) {
	r := serve(t, Config{})
	open, err := os.MkdirTemp("", "tango-service-test-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(open) })
	must(t, os.Chmod(open, 0o755))
	dial := func(path string) (conn net.Conn, err error) {
		err = asNobody(t, func() (err error) { conn, err = net.Dial("unixpacket", path); return err })
		return conn, err
	}
	if conn, err := dial(SocketPath(r.dir)); !errors.Is(err, unix.EACCES) {
		t.Errorf("connected: %v, %v", conn, err)
	}

	socket, err := listenAt(filepath.Join(open, "socket"))
	must(t, err)
	must(t, os.Chmod(filepath.Join(open, "socket"), 0o666))
	other := &running{dir: open, log: &lines{}}
	other.serveOn(t, &Listener{socket: socket}, Config{Workers: r.workers, Log: other.log.add})
	for range 5 {
		conn, err := dial(filepath.Join(open, "socket"))
		must(t, err)
		unixConn, _ := conn.(*net.UnixConn)
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		_ = send(unixConn, &message{kind: kindStats}) // may find the connection closed
		if m, err := receive(unixConn); err == nil {
			t.Errorf("answered %+v", m)
		}
		conn.Close()
	}
	if got := other.Stats(); got.Refused != 5 || got.Requests != 0 {
		t.Errorf("counted %+v", got)
	}
	if n := other.log.with("user 65534 may not"); n != 1 {
		t.Errorf("said so %d times", n)
	}
	other.stop()
}

// TestOtherServer: a client does not trust a service of another user.
func TestOtherServer(t *testing.T) {
	dir, err := os.MkdirTemp("", "tango-service-test-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	var l *net.UnixListener
	must(t, asNobody(t, func() (err error) {
		l, err = net.ListenUnix("unixpacket", &net.UnixAddr{Name: SocketPath(dir), Net: "unixpacket"})
		return err
	}))
	defer l.Close()
	c := NewClient(ClientConfig{Dir: dir, Patience: patience})
	here := false
	_, err = c.Do(patient(t), Request{}, func(context.Context) (Reply, error) { here = true; return Reply{}, nil })
	must(t, err)
	if !here || c.Stats().Unreachable != 1 {
		t.Errorf("counted %+v", c.Stats())
	}
}

// devNulls opens /dev/null n times; it is closed with the test.
func devNulls(t *testing.T, n int) (files []*os.File) {
	for range n {
		f, err := os.Open("/dev/null")
		must(t, err)
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

// sendRaw sends bytes and files that need not fit together.
func sendRaw(t *testing.T, conn *net.UnixConn, b []byte, files []*os.File) {
	t.Helper()
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	var control []byte
	if len(fds) > 0 {
		control = unix.UnixRights(fds...)
	}
	_, _, err := conn.WriteMsgUnix(b, control, nil)
	must(t, err)
}

// TestNonsense: what makes no sense ends its connection, and nothing else.
func TestNonsense(t *testing.T) {
	w := openWorkers(t, worker.Config{})
	hang := make(chan struct{})
	r := serve(t, Config{Workers: w, Work: func(ctx context.Context, _ Request) (Reply, error) {
		select {
		case <-ctx.Done():
		case <-hang:
		}
		return Reply{}, ctx.Err()
	}})
	kindOf := func(k kind, files byte) []byte {
		return packet(func(b []byte) { b[2], b[4] = byte(k), files })
	}
	for _, c := range []struct {
		name  string
		parts [][]byte
		files int
	}{
		{"half a message", [][]byte{kindOf(kindLease, 0)[:10]}, 0},
		{"one byte", [][]byte{{1}}, 0},
		{"too long a message", [][]byte{append(kindOf(kindWork, 0), make([]byte, MaxPayload+1)...)}, 0},
		{"far too long a message", [][]byte{make([]byte, 150<<10)}, 0},
		{"another version", [][]byte{packet(func(b []byte) { b[0] = 9 })}, 0},
		{"unknown kind", [][]byte{kindOf(77, 0)}, 0},
		{"a reply", [][]byte{kindOf(kindReply, 0)}, 0},
		{"promised descriptors", [][]byte{kindOf(kindWork, 2)}, 0},
		{"unannounced descriptors", [][]byte{kindOf(kindWork, 0)}, 3},
		{"more descriptors than allowed", [][]byte{kindOf(kindWork, MaxFiles)}, MaxFiles + 20},
		{"as many as go", [][]byte{kindOf(kindWork, MaxFiles)}, 253},
		{"descriptors with a lease", [][]byte{kindOf(kindLease, 1)}, 1},
		{"descriptors with a half message", [][]byte{kindOf(kindWork, 2)[:7]}, 2},
		{"two requests at once", [][]byte{kindOf(kindWork, 0), kindOf(kindWork, 0)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused := r.Stats().Refused
			conn := r.connect(t)
			for _, part := range c.parts {
				sendRaw(t, conn, part, devNulls(t, c.files))
			}
			expectClosed(t, conn)
			eventually(t, "the count", func() bool { return r.Stats().Refused == refused+1 })
			if len(r.workers.Nodes()) > 1 {
				r.works(t)
			}
			_, err := r.client().ServerStats(patient(t))
			must(t, err)
		})
	}
	close(hang)
	if n := r.log.with("closed a connection"); n != 1 {
		t.Errorf("said so %d times", n)
	}
}

// TestEmptyPacket is the end of a connection, also with descriptors.
func TestEmptyPacket(t *testing.T) {
	r := serve(t, Config{})
	for _, n := range []int{0, 2} {
		conn := r.connect(t)
		var fds []int
		for _, f := range devNulls(t, n) {
			fds = append(fds, int(f.Fd()))
		}
		raw, err := conn.SyscallConn()
		must(t, err)
		var control []byte
		if n > 0 {
			control = unix.UnixRights(fds...)
		}
		must(t, raw.Control(func(fd uintptr) { must(t, unix.Sendmsg(int(fd), nil, control, nil, 0)) }))
		expectClosed(t, conn)
	}
	r.works(t)
}

// TestWrongDescriptor: work that gets another kind of descriptor than it needs
// fails, and the descriptor is closed.
func TestWrongDescriptor(t *testing.T) {
	w := openWorkers(t, worker.Config{})
	r := serve(t, Config{Workers: w, Work: forkWork(w)})
	userns, err := os.Open("/proc/self/ns/user")
	must(t, err)
	defer userns.Close()
	pipe, end, err := os.Pipe()
	must(t, err)
	defer pipe.Close()
	defer end.Close()
	for _, f := range []*os.File{userns, pipe, devNulls(t, 1)[0]} {
		c := r.client()
		_, _, err := c.exchange(patient(t), &message{kind: kindWork, node: worker.AnyNode, files: []*os.File{f}})
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v, want EINVAL", f.Name(), err)
		}
	}
	reply, err := r.client().Do(patient(t), Request{Payload: []byte("x"), Files: []*os.File{template(t)}}, never(t))
	must(t, err)
	must(t, checkFork(reply, "x"))
}

// TestManyConnections: those over the limit are closed, and the service lives on.
func TestManyConnections(t *testing.T) {
	r := serve(t, Config{MaxConnections: 50})
	var open []*net.UnixConn
	for range 2000 {
		conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: SocketPath(r.dir), Net: "unixpacket"})
		if errors.Is(err, unix.EAGAIN) {
			time.Sleep(time.Millisecond) // the kernel's queue of connections is full
			continue
		}
		must(t, err)
		open = append(open, conn)
	}
	eventually(t, "refusals", func() bool { return r.Stats().Refused == uint64(len(open)-50) })
	if got := r.Stats().Connections; got != 50 {
		t.Errorf("%d connections, want 50", got)
	}
	for _, conn := range open {
		conn.Close()
	}
	eventually(t, "no connections", func() bool { return r.Stats().Connections == 0 })
	r.works(t)
	if n := r.log.with("too many"); n != 1 {
		t.Errorf("said so %d times", n)
	}
}

// TestNoDescriptorsLeft: a process that is out of descriptors serves again when it
// has some.
func TestNoDescriptorsLeft(t *testing.T) {
	r := serve(t, Config{})
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	low := limit
	conn := r.connect(t)
	eventually(t, "a connection", func() bool { return r.Stats().Connections == 1 })
	low.Cur = uint64(highestDescriptor(t)) + 1
	must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &low, nil))
	restore := func() { must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil)) }
	defer restore()
	fill(t)
	// A descriptor that can't be received is as one that was not sent.
	sendRaw(t, conn, packet(func(b []byte) { b[2], b[4] = byte(kindWork), 1 }), []*os.File{os.Stdin})
	expectClosed(t, conn)
	restore()
	r.works(t)
}

func highestDescriptor(t *testing.T) (highest int) {
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscan(e.Name(), &n); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}

// fill opens what may still be opened, until the test ends.
func fill(t *testing.T) {
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
}
