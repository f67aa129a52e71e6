package harness

import (
	"bytes"
	"sync"
)

// Output collects what a process writes, while it still writes.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends to the output. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
