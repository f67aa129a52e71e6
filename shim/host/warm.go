package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
)

// WarmAction is the argument that makes the binary a warm shim.
const WarmAction = "warm"

// Role is what a warm shim is told to be: what it would have been executed with.
type Role struct {
	Args []string
	Env  []string
	Dir  string // working directory
}

const (
	// startTimeout is how long a warm shim may take to start up, which it does
	// when nobody else needs the CPU.
	startTimeout = time.Minute
	// roleTimeout is how long it may take to take its role.
	roleTimeout = 3 * time.Second
)

// maxRole bounds a role on its way, in bytes.
const maxRole = 128 << 10

// Warm is a warm shim as the service sees it.
type Warm struct {
	Pid    int
	conn   *net.UnixConn
	reaper *reaper
}

// maxNice is the nice value of those that shall be in nobody's way.
const maxNice = 19

// setNice sets the nice value of all threads of the shim: it is a process group of
// its own.
func (w *Warm) setNice(nice int) { _ = unix.Setpriority(unix.PRIO_PGRP, w.Pid, nice) }

// await waits for word from the process: that it is ready for its role, or has it.
func (w *Warm) await(timeout time.Duration) error {
	if err := w.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	n, err := w.conn.Read(make([]byte, 1))
	if err != nil || n == 0 {
		return fmt.Errorf("the shim that was started beforehand has ended: %w", errors.Join(err, errors.New("no word from it")))
	}
	return nil
}

// Become gives the shim its role and the socket to serve on, which is at a path. After
// an error it is dead: one that merely took too long, on a machine that stood still, would
// serve the socket beside the next.
func (w *Warm) Become(r Role, socket *os.File, path string) (retErr error) {
	defer w.Close()
	defer func() {
		if retErr != nil {
			w.reaper.kill(w.Pid)
		}
	}()
	w.setNice(ownNice())
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, _, err := w.conn.WriteMsgUnix(data, unix.UnixRights(int(socket.Fd())), nil); err != nil {
		return fmt.Errorf("cannot tell a warm shim whom to serve: %w", err)
	}
	fault.Here("warm.handed")
	if err := w.await(roleTimeout); err != nil {
		return err
	}
	w.reaper.serves(w.Pid, socketAt(path))
	return nil
}

// ownNice is the nice value that this process has from containerd. The kernel's
// answer is 20 less it: getpriority(2).
func ownNice() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - n
}

// Close lets go of the shim: without a role it ends.
func (w *Warm) Close() { _ = w.conn.Close() }

// inherited is the descriptor by which a warm shim is told its role.
const inherited = 3

// AwaitRole is the warm shim's side: it says that the process is ready, waits, and
// takes over directory, environment and arguments. It returns the arguments and the
// socket to serve on, which the caller closes; nil if there is no role any more.
func AwaitRole() (args []string, socket *os.File, _ error) {
	f := os.NewFile(inherited, "role")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, fmt.Errorf("a warm shim needs the service that started it: %w", err)
	}
	conn := c.(*net.UnixConn)
	defer conn.Close()
	if _, err := conn.Write([]byte{1}); err != nil {
		return nil, nil, err
	}
	data, control := make([]byte, maxRole), make([]byte, unix.CmsgSpace(4))
	n, nc, _, _, err := conn.ReadMsgUnix(data, control)
	if err != nil || n == 0 {
		return nil, nil, nil // the service has ended, or needs no more of us
	}
	if socket, err = socketOf(control[:nc]); err != nil {
		return nil, nil, err
	}
	var r Role
	if err := json.Unmarshal(data[:n], &r); err != nil {
		return nil, nil, errors.Join(err, socket.Close())
	}
	if err := r.assume(); err != nil {
		return nil, nil, errors.Join(err, socket.Close())
	}
	// A service that was killed after it had told the role has nobody to hear this. Who asked
	// it has found the socket served, so this process must serve it.
	_, _ = conn.Write([]byte{1})
	return r.Args, socket, nil
}

func socketOf(control []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return nil, errors.New("a role comes with one socket")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("a role comes with one socket")
	}
	return os.NewFile(uintptr(fds[0]), "socket"), nil
}

// assume makes this process look as if it had been executed in the role.
func (r Role) assume() error {
	if err := os.Chdir(r.Dir); err != nil {
		return fmt.Errorf("cannot enter the bundle: %w", err)
	}
	os.Clearenv()
	for _, e := range r.Env {
		for i := 1; i < len(e); i++ {
			if e[i] == '=' {
				_ = os.Setenv(e[:i], e[i+1:])
				break
			}
		}
	}
	if err := showArgs(r.Args); err != nil {
		log.L.WithError(err).Debug("this shim is not to be told from others by its arguments")
	}
	return nil
}
