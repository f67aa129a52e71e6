package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"

	"tango/test/harness"
)

// together runs something n times, some at a time, and joins the errors.
func together(n, atOnce int, run func(i int) error) error {
	slots, errs := make(chan struct{}, atOnce), make(chan error, n)
	for i := range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			errs <- run(i)
		}()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// execsAtOnce wants each of many execs to get its own output and exit code.
func execsAtOnce(ctx context.Context, n *harness.Node, s settings) error {
	c, err := n.Run(ctx, harness.Spec{})
	if err != nil {
		return err
	}
	err = together(s.execs, s.execs, func(i int) error {
		e, err := c.Exec(ctx, harness.ExecSpec{Args: []string{"/bin/sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i%100)}})
		if err != nil {
			return err
		}
		code, err := e.Finish(ctx)
		if err == nil && (code != uint32(i%100) || e.Stdout.String() != strconv.Itoa(i)+"\n") {
			err = fmt.Errorf("exec %d ended with %d and wrote %q", i, code, e.Stdout)
		}
		return err
	})
	return errors.Join(err, c.Delete(ctx))
}

// slow reads slowly, and sums what it gets.
type slow struct {
	sum   [sha256.Size]byte
	bytes int64
	done  chan struct{}
}

func (s *slow) drain(r io.Reader) {
	defer close(s.done)
	h, buf := sha256.New(), make([]byte, 1<<20)
	for {
		n, err := r.Read(buf)
		h.Write(buf[:n])
		s.bytes += int64(n)
		if err != nil {
			copy(s.sum[:], h.Sum(nil))
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// slowReader wants every byte to arrive, and the shim not to hold them meanwhile.
func slowReader(ctx context.Context, n *harness.Node, s settings) error {
	r, w := io.Pipe()
	reader := &slow{done: make(chan struct{})}
	go reader.drain(r)
	size := int64(s.megabytes) << 20
	script := fmt.Sprintf("yes 0123456789abcdef | head -c %d", size)
	c, err := n.Run(ctx, harness.Spec{Args: []string{"/bin/sh", "-c", script}, IO: cio.NewCreator(cio.WithStreams(nil, w, io.Discard))})
	if err != nil {
		return err
	}
	code, err := c.Wait(ctx)
	if err != nil || code != 0 {
		return fmt.Errorf("it ended with %d: %w", code, err)
	}
	if err := errors.Join(w.Close(), c.Delete(ctx)); err != nil {
		return err
	}
	<-reader.done
	if reader.bytes != size || reader.sum != sumOf(size) {
		return fmt.Errorf("%d bytes arrived, want %d, or they are others", reader.bytes, size)
	}
	return nil
}

// sumOf is the sum of what the container writes.
func sumOf(size int64) (sum [sha256.Size]byte) {
	h, line := sha256.New(), []byte("0123456789abcdef\n")
	block := make([]byte, 0, len(line)<<12)
	for range 1 << 12 {
		block = append(block, line...)
	}
	for left := size; left > 0; left -= int64(len(block)) {
		h.Write(block[:min(left, int64(len(block)))])
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// bombPids bounds the bomb; without a bound the machine is what breaks.
const bombPids = 200

// forkBomb wants a container that ignores SIGTERM and forks as fast as it can to
// be killed and deleted like any other. Its first process does not fork: a shell that
// can't ends.
func forkBomb(ctx context.Context, n *harness.Node, _ settings) error {
	limit := int64(bombPids)
	c, err := n.Run(ctx, harness.Spec{
		Args: []string{"/bin/sh", "-c", "trap '' TERM; bomb() { while :; do bomb & done; }; bomb 2>/dev/null & exec sleep 1000000"},
		OCI:  []oci.SpecOpts{oci.WithPidsLimit(limit)},
	})
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // let it grow; how far does not matter
	if err := c.Kill(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	if err := c.Kill(ctx, syscall.SIGKILL); err != nil {
		return err
	}
	code, err := c.Wait(ctx)
	if err != nil || code != 137 {
		return fmt.Errorf("it ended with %d, want 137: %w", code, err)
	}
	return c.Delete(ctx)
}

// crowd has many containers run at the same time.
func crowd(ctx context.Context, n *harness.Node, s settings) error {
	before, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	fmt.Printf("  load before: %s", before)
	all := make([]*harness.Container, s.containers)
	err = together(s.containers, 64, func(i int) (err error) {
		all[i], err = n.Run(ctx, harness.Spec{Args: []string{"sleep", "1000000"}})
		return err
	})
	return errors.Join(err, together(len(all), 64, func(i int) error {
		if all[i] == nil {
			return nil
		}
		return all[i].Delete(ctx)
	}))
}
