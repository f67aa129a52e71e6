package container

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/pkg/atomicfile"

	"tango/mounts/fault"
)

// exitRecord is what the bundle remembers of the first process's end, for a
// delete that comes after the shim was lost.
type exitRecord struct {
	Pid    int       `json:"pid"`
	Status int       `json:"status"`
	At     time.Time `json:"at"`
}

func (r exitRecord) lost() Lost {
	return Lost{Pid: r.Pid, Exit: Exit{Status: r.Status, At: r.At}}
}

func exitPath(bundle string) string { return filepath.Join(bundle, "exit.json") }

func saveExit(bundle string, pid int, exit Exit) error {
	if err := fault.Point("exit.record"); err != nil {
		return err
	}
	data, err := json.Marshal(exitRecord{Pid: pid, Status: exit.Status, At: exit.At})
	if err != nil {
		return err
	}
	f, err := atomicfile.New(exitPath(bundle), 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Cancel()
		return err
	}
	return f.Close()
}

func loadExit(bundle string) (exitRecord, error) {
	data, err := os.ReadFile(exitPath(bundle))
	if err != nil {
		return exitRecord{}, err
	}
	var r exitRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("cannot decode %s: %w", exitPath(bundle), err)
	}
	if r.Pid <= 0 || r.Status < 0 || r.At.IsZero() {
		return r, fmt.Errorf("cannot use %s: incomplete", exitPath(bundle))
	}
	return r, nil
}
