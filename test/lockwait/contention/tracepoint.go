package contention

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tango/mounts/kernel"
)

// tracefs are the places where tracefs usually is.
var tracefs = []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}

// tracepoint is what perf_event_open and the decoder must know of a tracepoint.
type tracepoint struct {
	id     uint64         // the kernel's number
	offset map[string]int // where its fields begin in the raw data, in bytes
}

// readTracepoint finds a tracepoint by a name such as "lock/contention_begin".
func readTracepoint(name string, fields ...string) (tracepoint, error) {
	format, err := readEvent(name, "format")
	if errors.Is(err, os.ErrNotExist) {
		return tracepoint{}, fmt.Errorf("cannot find the tracepoint %s: it needs Linux 5.19", name)
	}
	if err != nil {
		return tracepoint{}, fmt.Errorf("cannot read the tracepoint %s: %w", name, err)
	}
	p, err := parseFormat(string(format), fields...)
	if err != nil {
		return p, fmt.Errorf("cannot read the tracepoint %s: %w", name, err)
	}
	return p, nil
}

// readEvent reads a file of an event. Where nobody has mounted tracefs, it is mounted
// for that, at no place: nobody sees it, and it is gone with its descriptor.
func readEvent(event, file string) ([]byte, error) {
	for _, root := range tracefs {
		data, err := os.ReadFile(filepath.Join(root, "events", event, file))
		if !errors.Is(err, os.ErrNotExist) {
			return data, err
		}
	}
	fs, err := kernel.OpenFS("tracefs")
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	mounted, err := fs.Mount(0)
	if err != nil {
		return nil, err
	}
	defer mounted.Close()
	return os.ReadFile(filepath.Join("/proc/self/fd", strconv.Itoa(mounted.Fd()), "events", event, file))
}

// parseFormat reads a tracepoint's format file: lines like "ID: 408" and
// "field:void * lock_addr;	offset:8;	size:8;	signed:0;".
func parseFormat(text string, fields ...string) (tracepoint, error) {
	p := tracepoint{offset: make(map[string]int)}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if id, found := strings.CutPrefix(line, "ID: "); found {
			var err error
			if p.id, err = strconv.ParseUint(id, 10, 64); err != nil {
				return p, err
			}
		}
		if declared, found := strings.CutPrefix(line, "field:"); found {
			if err := p.addField(declared); err != nil {
				return p, err
			}
		}
	}
	if p.id == 0 {
		return p, errors.New("no ID in its format")
	}
	for _, name := range fields {
		if _, found := p.offset[name]; !found {
			return p, fmt.Errorf("it has no field %s", name)
		}
	}
	return p, nil
}

func (p tracepoint) addField(declared string) error {
	parts := strings.Split(declared, ";")
	if len(parts) < 2 {
		return fmt.Errorf("field %q without an offset", declared)
	}
	words := strings.Fields(parts[0])
	at, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[1]), "offset:"))
	if err != nil || len(words) == 0 {
		return fmt.Errorf("field %q without an offset", declared)
	}
	p.offset[words[len(words)-1]] = at
	return nil
}
