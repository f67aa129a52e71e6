package stdio

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"
)

// fullRetry is how long a writer waits for room on a full filesystem before it
// tries again.
const fullRetry = time.Second

// logFile is a file that output is appended to. When its filesystem is full,
// Write waits until there is room, and the process with it; nothing is lost.
type logFile struct {
	*os.File
	life context.Context // ends the wait for room
}

// openLogFile opens the file of a file:// URI, making it (0644) and its
// directories (0755) if need be. Streams that name the same file have one open
// file each; O_APPEND keeps them from overwriting each other.
func openLogFile(life context.Context, path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &logFile{File: f, life: life}, nil
}

// Write appends all of p, or fails with what is not a want of room.
func (l *logFile) Write(p []byte) (int, error) {
	written, told := 0, false
	for {
		n, err := l.File.Write(p[written:])
		written += n
		if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
			return written, err
		}
		if !told {
			told = true
			log.G(l.life).WithError(err).Warn("no room for a container's output, waiting")
		}
		select {
		case <-l.life.Done():
			return written, err
		case <-time.After(fullRetry):
		}
	}
}
