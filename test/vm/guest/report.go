package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tango/test/vm/job"
)

// reporter writes events to the guest's result port.
type reporter struct {
	mu   sync.Mutex
	port *os.File
}

// openReporter opens the virtio-serial port that the matrix reads. The caller
// closes it.
func openReporter() (*reporter, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil || strings.TrimSpace(string(b)) != job.Port {
			continue
		}
		f, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(n)), os.O_WRONLY, 0)
		return &reporter{port: f}, err
	}
	return nil, fmt.Errorf("cannot find port %s among %q", job.Port, names)
}

// send writes one event; where the port is broken the console is told, and the
// matrix sees a guest that never finished.
func (r *reporter) send(e job.Event) {
	b, err := json.Marshal(e)
	if err == nil {
		r.mu.Lock()
		_, err = r.port.Write(append(b, '\n'))
		r.mu.Unlock()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "guest: cannot report %s: %v\n", e.Kind, err)
	}
}

// close closes the port; the kernel has handed over every byte by then.
func (r *reporter) close() { r.port.Close() }
