package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// maxSnapshot bounds an answer in bytes.
const maxSnapshot = 64 << 20

// ErrNobody says that nobody collects for a run directory.
var ErrNobody = errors.New("nobody collects telemetry")

// Fetch asks the collector of a run directory. The error is [ErrNobody] if there
// is none.
func Fetch(ctx context.Context, runDir string) (Snapshot, error) {
	path := filepath.Join(runDir, statsName)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return Snapshot{}, fmt.Errorf("%w at %s: it starts with the first container", ErrNobody, path)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("cannot ask for telemetry: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * answerWithin))
	var s Snapshot
	if err := json.NewDecoder(io.LimitReader(conn, maxSnapshot)).Decode(&s); err != nil {
		return Snapshot{}, fmt.Errorf("cannot read the answer of %s: %w", path, err)
	}
	if s.Version != snapshotVersion {
		return Snapshot{}, fmt.Errorf("cannot read the answer of %s: it is of version %d, this command knows %d", path, s.Version, snapshotVersion)
	}
	return s, nil
}

// RecordFiles are the files of records in a run directory, the oldest first. Some
// may not exist.
func RecordFiles(runDir string) []string {
	s := store{dir: filepath.Join(runDir, recordsDir)}
	var names []string
	for age := files - 1; age >= 0; age-- {
		names = append(names, s.name(age))
	}
	return names
}
