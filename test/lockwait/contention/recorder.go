package contention

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
)

// Recorder records until it is stopped.
type Recorder struct {
	fds     []int // events
	rings   []*ring
	decoder decoder
	comms   map[uint32]string // names of the threads that were there at the beginning

	stop    chan struct{}
	stopped chan error
}

// Recording is what a Recorder has seen.
type Recording struct {
	Waits []Wait // in the order of their ends
	Lost  uint64 // events that did not fit into the buffers: if there are any, waits are missing
}

// Start begins to record on all CPUs that are online. It needs root.
func Start() (_ *Recorder, retErr error) {
	r := &Recorder{stop: make(chan struct{}), stopped: make(chan error, 1)}
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, r.close())
		}
	}()
	if err := r.find(); err != nil {
		return nil, err
	}
	machine, err := topology.Read(topology.Roots{})
	if err != nil {
		return nil, err
	}
	for cpu := range machine.Online().All() {
		if err := r.open(cpu); err != nil {
			return nil, err
		}
	}
	for _, fd := range r.fds {
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
			return nil, fmt.Errorf("cannot begin to record: %w", err)
		}
	}
	r.comms = threadNames() // after the beginning: whoever gets a name from now on, tells
	go r.follow()
	return r, nil
}

// find reads what is to be known of the tracepoints.
func (r *Recorder) find() (err error) {
	r.decoder.begins = make(map[uint64]bool)
	if r.decoder.begin, err = readTracepoint("lock/contention_begin", "lock_addr", "flags"); err != nil {
		return err
	}
	r.decoder.end, err = readTracepoint("lock/contention_end", "lock_addr")
	return err
}

// open makes both events of a CPU, which write into one buffer.
func (r *Recorder) open(cpu int) error {
	first, err := r.event(cpu, r.decoder.begin, unix.PerfBitExcludeCallchainUser|unix.PerfBitComm|unix.PerfBitTask)
	if err != nil {
		return err
	}
	buffer, err := newRing(first)
	if err != nil {
		return err
	}
	r.rings = append(r.rings, buffer)
	var id uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(first), unix.PERF_EVENT_IOC_ID, uintptr(unsafe.Pointer(&id))); errno != 0 {
		return fmt.Errorf("cannot ask for an event's id: %w", errno)
	}
	r.decoder.begins[id] = true
	// Who ends a wait is known from its beginning: no stack.
	second, err := r.event(cpu, r.decoder.end, unix.PerfBitExcludeCallchainUser|unix.PerfBitExcludeCallchainKernel)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetInt(second, unix.PERF_EVENT_IOC_SET_OUTPUT, first); err != nil {
		return fmt.Errorf("cannot share a ring buffer: %w", err)
	}
	return nil
}

func (r *Recorder) event(cpu int, p tracepoint, bits uint64) (int, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_TRACEPOINT, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: p.id,
		Sample: 1, Sample_type: sampleType, Sample_max_stack: maxStack,
		Bits:   bits | unix.PerfBitDisabled | unix.PerfBitSampleIDAll | unix.PerfBitUseClockID | unix.PerfBitWatermark,
		Wakeup: uint32(ringPages * os.Getpagesize() / 4), Clockid: unix.CLOCK_MONOTONIC,
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("cannot listen to a tracepoint on CPU %d (it needs CAP_PERFMON): %w", cpu, err)
	}
	r.fds = append(r.fds, fd)
	return fd, nil
}

// lookEvery bounds how long records wait in the buffers; a quarter of a buffer
// wakes earlier.
const lookEvery = 50 * time.Millisecond

// follow empties the buffers until it is told to stop.
func (r *Recorder) follow() {
	polled := make([]unix.PollFd, len(r.rings))
	for i, b := range r.rings {
		polled[i] = unix.PollFd{Fd: int32(b.fd), Events: unix.POLLIN}
	}
	for {
		select {
		case <-r.stop:
			r.stopped <- r.drain()
			return
		default:
		}
		if _, err := unix.Poll(polled, int(lookEvery/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			r.stopped <- fmt.Errorf("cannot wait for records: %w", err)
			return
		}
		if err := r.drain(); err != nil {
			r.stopped <- err
			return
		}
	}
}

func (r *Recorder) drain() error {
	var errs []error
	for _, b := range r.rings {
		b.drain(func(kind uint32, body []byte) {
			if err := r.decoder.decode(kind, body); err != nil {
				errs = append(errs, err)
			}
		})
	}
	return errors.Join(errs...)
}

// Stop ends the recording and returns what it has seen. Call it once.
func (r *Recorder) Stop() (_ *Recording, retErr error) {
	defer func() { retErr = errors.Join(retErr, r.close()) }()
	for _, fd := range r.fds {
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_DISABLE, 0); err != nil {
			return nil, fmt.Errorf("cannot end recording: %w", err)
		}
	}
	close(r.stop)
	if err := <-r.stopped; err != nil {
		return nil, err
	}
	return &Recording{Waits: pair(r.decoder.events, r.decoder.stacks.stacks, r.comms), Lost: r.decoder.lost}, nil
}

func (r *Recorder) close() error {
	var errs []error
	for _, b := range r.rings {
		errs = append(errs, b.close())
	}
	for _, fd := range r.fds {
		errs = append(errs, unix.Close(fd))
	}
	r.rings, r.fds = nil, nil
	return errors.Join(errs...)
}

// threadNames returns the names of all threads. Those that end meanwhile are
// left out.
func threadNames() map[uint32]string {
	names := make(map[uint32]string)
	files, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/comm")
	if err != nil {
		return names
	}
	for _, file := range files {
		tid, err := strconv.ParseUint(filepath.Base(filepath.Dir(file)), 10, 32)
		name, readErr := os.ReadFile(file)
		if err == nil && readErr == nil {
			names[uint32(tid)] = strings.TrimSpace(string(name))
		}
	}
	return names
}
