package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const (
	recordsDir  = "records"
	recordsFile = "records.jsonl"
	// fileSize and files bound what records take of the run directory, which is
	// memory on most hosts: 16 MiB, the last ten or twenty thousand operations.
	fileSize = 4 << 20 // bytes
	files    = 4
)

// store appends records to files, the newest of which is records.jsonl, the one
// before it records.1.jsonl, and so on.
type store struct {
	dir   string
	file  *os.File
	size  int64
	limit int64
}

// openStore goes on where the last collector has stopped.
func openStore(runDir string, limit int64) (*store, error) {
	s := &store{dir: filepath.Join(runDir, recordsDir), limit: limit}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep records: %w", err)
	}
	return s, s.open()
}

func (s *store) open() error {
	f, err := os.OpenFile(s.name(0), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot keep records: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("cannot keep records: %w", err)
	}
	s.file, s.size = f, info.Size()
	return nil
}

func (s *store) name(age int) string {
	if age == 0 {
		return filepath.Join(s.dir, recordsFile)
	}
	return filepath.Join(s.dir, fmt.Sprintf("records.%d.jsonl", age))
}

// append writes a line, all of it or, on a full filesystem, nothing that counts: a
// reader passes over a line that is no record.
func (s *store) append(r *Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if s.size+int64(len(line)) >= s.limit {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	n, err := s.file.Write(append(line, '\n'))
	s.size += int64(n)
	return err
}

func (s *store) rotate() error {
	if s.file == nil {
		return s.open() // after an earlier trouble
	}
	_ = s.file.Close()
	s.file, s.size = nil, s.limit
	for age := files - 1; age > 0; age-- {
		if err := os.Rename(s.name(age-1), s.name(age)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return s.open()
}

func (s *store) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
