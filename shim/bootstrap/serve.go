package bootstrap

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"

	"github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/fifo"
	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/pidref"
	"tango/shim/container"
	"tango/shim/container/initexe"
	"tango/shim/options"
	"tango/shim/task"
)

// ttrpcAddressEnv is where containerd says that it takes events.
const ttrpcAddressEnv = "TTRPC_ADDRESS"

// inheritedSocket is the descriptor that start hands to the daemon.
const inheritedSocket = 3

// prepareDaemon is what a daemon does before it must know whom it serves.
func prepareDaemon() {
	initexe.Keep()
	beFrugal()
}

// serve is the daemon: it answers containerd until it is told to shut down. socket
// is what it was given to serve on, nil if start has left it as inheritedSocket;
// prepared is what it has got ready before, or nil.
func serve(ctx context.Context, inv *invocation, socket *os.File, prepared *container.Prepared) error {
	prepareDaemon()
	// libcontainer passes it on to init, which has one thing to do at a time and
	// would spend a third of its time on starting and waking threads.
	_ = os.Setenv("GOMAXPROCS", "1")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// First, since whatever follows may fail, and containerd asks nobody to clean up
	// after a shim that it has not reached.
	listener, err := inv.listen(socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := fault.Point("serve.begin"); err != nil {
		return err
	}
	if err := becomeSubreaper(); err != nil {
		return err
	}
	if err := logToPipe(ctx); err != nil {
		return err
	}
	if err := fault.Point("serve.publisher"); err != nil {
		return err
	}
	publisher, err := shim.NewPublisher(os.Getenv(ttrpcAddressEnv))
	if err != nil {
		return fmt.Errorf("cannot connect to containerd's event service: %w", err)
	}
	defer publisher.Close()
	sharing := shared()
	sharing.Prepared = prepared
	defer sharing.Executables.Drop(os.Getpid()) // start has listed this process
	service := task.New(ctx, sharing, publisher, cancel)
	guests := newAudience(ttrpc.UnixSocketRequireSameUser(), forsakenAfter, func() { _, _ = service.Shutdown(ctx, nil) })
	server, err := ttrpc.NewServer(ttrpc.WithServerHandshaker(guests), ttrpc.WithUnaryServerInterceptor(letGoWhenIdle()))
	if err != nil {
		return fmt.Errorf("cannot make the ttrpc server: %w", err)
	}
	service.Register(server)
	return run(ctx, cancel, server, listener, service)
}

// run serves until ctx is done, then lets answers and events out.
func run(ctx context.Context, cancel func(), server *ttrpc.Server, l net.Listener, service io.Closer) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(context.WithoutCancel(ctx), l) }()
	go handleSignals(ctx, cancel)
	select {
	case err := <-failed:
		return fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
	}
	_ = l.Close()
	fault.Here("serve.end")
	return service.Close()
}

// shared is where start said that shims share.
func shared() container.Shared {
	dir := os.Getenv(runDirEnv)
	if dir == "" {
		dir = options.DefaultRunDir
	}
	return container.Shared{RunDir: dir, Executables: pidref.Dir(os.Getenv(registryEnv))}
}

// becomeSubreaper has orphans of containers handed to this process.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become a child subreaper: %w", err)
	}
	return nil
}

// logToPipe sends stderr, and so the log, to the pipe in the bundle that
// containerd reads.
func logToPipe(ctx context.Context) error {
	_ = log.SetFormat(log.TextFormat)
	// containerd reads it before it starts a shim. If it doesn't any more, it has given
	// this shim up, and an open without a limit would never return.
	ctx, cancel := context.WithTimeout(ctx, forsakenAfter)
	defer cancel()
	f, err := fifo.OpenFifoDup2(ctx, "log", unix.O_WRONLY, 0o700, int(os.Stderr.Fd()))
	if err != nil {
		return fmt.Errorf("cannot open the log pipe: %w", err)
	}
	log.L.Logger.SetOutput(f)
	return nil
}

// listen takes over the socket from start, or makes the one the flags name.
// Closing it takes its path away, before it stops to answer: later, another shim may
// have the path.
func (inv *invocation) listen(f *os.File) (net.Listener, error) {
	if inv.socket != "" {
		return net.Listen("unix", inv.socket)
	}
	if f == nil {
		f = os.NewFile(inheritedSocket, "socket")
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot serve on the inherited socket: %w", err)
	}
	if s, ok := l.(*net.UnixListener); ok {
		s.SetUnlinkOnClose(true)
	}
	return l, nil
}

// handleSignals ends the shim on SIGTERM and SIGINT and prints all stacks on
// SIGUSR1. SIGPIPE is no reason to die: a log reader may go away.
func handleSignals(ctx context.Context, cancel func()) {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, unix.SIGTERM, unix.SIGINT, unix.SIGPIPE, unix.SIGUSR1)
	for {
		select {
		case s := <-ch:
			switch s {
			case unix.SIGUSR1:
				dumpStacks()
			case unix.SIGTERM, unix.SIGINT:
				log.L.WithField("signal", s).Debug("caught exit signal")
				cancel()
			}
		case <-ctx.Done():
			return
		}
	}
}
