package bootstrap

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/ttrpc"
)

// listenTo serves nothing for an audience and returns the socket.
func listenTo(t *testing.T, after time.Duration) (socket string, alone chan struct{}) {
	t.Helper()
	alone = make(chan struct{}, 16)
	a := newAudience(ttrpc.UnixSocketRequireSameUser(), after, func() { alone <- struct{}{} })
	server, err := ttrpc.NewServer(ttrpc.WithServerHandshaker(a))
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(context.Background(), l) }()
	t.Cleanup(func() { server.Close() })
	return socket, alone
}

func connect(t *testing.T, socket string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestNobodyEverComes wants a shim to notice that nobody connects.
func TestNobodyEverComes(t *testing.T) {
	_, alone := listenTo(t, 10*time.Millisecond)
	<-alone
}

// TestTheLastOneGoes wants a shim to notice that everybody has gone, and each time
// anew.
func TestTheLastOneGoes(t *testing.T) {
	socket, alone := listenTo(t, 20*time.Millisecond)
	<-alone
	for range 3 {
		one, two := connect(t, socket), connect(t, socket)
		one.Close()
		two.Close()
		<-alone
	}
}

// TestSomebodyStays wants nothing to happen while one is connected.
func TestSomebodyStays(t *testing.T) {
	socket, alone := listenTo(t, time.Hour)
	conn := connect(t, socket)
	connect(t, socket).Close()
	defer conn.Close()
	select {
	case <-alone:
		t.Error("taken for alone while somebody is connected")
	case <-time.After(100 * time.Millisecond):
	}
}

// TestStandstillIsOneStep wants a machine that stood still for longer than the whole
// time to cost one step of it: whoever was about to connect is let in.
func TestStandstillIsOneStep(t *testing.T) {
	alone := false
	a := newAudience(ttrpc.UnixSocketRequireSameUser(), 24*time.Hour, func() { alone = true })
	a.look() // the timer goes off, however late
	if alone {
		t.Error("taken for alone after one step")
	}
	for range forsakenSteps - 1 {
		a.look()
	}
	if !alone {
		t.Error("not taken for alone after all steps")
	}
	a.timer.Stop()
}
