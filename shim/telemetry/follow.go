package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// followEvery is how often a file is looked at for more.
const followEvery = 200 * time.Millisecond

// Follow calls each with every record that the collector of a run directory writes
// from now on, until ctx ends or each says that it has enough.
func Follow(ctx context.Context, runDir string, each func(Record) (enough bool)) error {
	f, err := NewFollower(runDir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Run(ctx, each)
}

// Follower reads the collector's file as it grows, and the next one when it was put
// away.
type Follower struct {
	path string
	file *os.File // nil until there is one
	rest []byte   // of a line that isn't complete
}

// NewFollower begins with what the collector of a run directory writes from now on.
// The caller closes it.
func NewFollower(runDir string) (*Follower, error) {
	f := &Follower{path: filepath.Join(runDir, recordsDir, recordsFile)}
	if err := f.open(); err != nil || f.file == nil {
		return f, err
	}
	if _, err := f.file.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Run calls each with every record, until ctx ends or each says that it has enough.
func (f *Follower) Run(ctx context.Context, each func(Record) (enough bool)) error {
	for {
		enough, err := f.read(each)
		if enough || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// open takes the file that is there; none yet is no error.
func (f *Follower) open() error {
	file, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	f.file, f.rest = file, nil
	return err
}

// Close lets go of the file.
func (f *Follower) Close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

func (f *Follower) read(each func(Record) bool) (enough bool, _ error) {
	if f.file == nil {
		if err := f.open(); err != nil || f.file == nil {
			return false, err
		}
	}
	replaced := f.replaced() // before the read: what was written until then is read
	data, err := io.ReadAll(f.file)
	if err != nil {
		return false, err
	}
	data = append(f.rest, data...)
	for {
		line, rest, complete := bytes.Cut(data, []byte("\n"))
		if !complete {
			f.rest = bytes.Clone(data)
			break
		}
		data = rest
		if r, err := decode(line); err == nil && each(r) {
			return true, nil
		}
	}
	if replaced {
		f.Close()
		f.file = nil
	}
	return false, nil
}

// replaced tells whether the file at the path is another one by now.
func (f *Follower) replaced() bool {
	at, err := os.Stat(f.path)
	if err != nil {
		return false // between two renames
	}
	mine, err := f.file.Stat()
	return err == nil && !os.SameFile(at, mine)
}
