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
	f := follower{path: filepath.Join(runDir, recordsDir, recordsFile)}
	defer f.close()
	if err := f.open(); err != nil {
		return err
	}
	if f.file != nil {
		if _, err := f.file.Seek(0, io.SeekEnd); err != nil {
			return err
		}
	}
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

// follower reads a file as it grows, and the next one when it was put away.
type follower struct {
	path string
	file *os.File // nil until there is one
	rest []byte   // of a line that isn't complete
}

// open takes the file that is there; none yet is no error.
func (f *follower) open() error {
	file, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	f.file, f.rest = file, nil
	return err
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

func (f *follower) read(each func(Record) bool) (enough bool, _ error) {
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
		f.close()
		f.file = nil
	}
	return false, nil
}

// replaced tells whether the file at the path is another one by now.
func (f *follower) replaced() bool {
	at, err := os.Stat(f.path)
	if err != nil {
		return false // between two renames
	}
	mine, err := f.file.Stat()
	return err == nil && !os.SameFile(at, mine)
}
