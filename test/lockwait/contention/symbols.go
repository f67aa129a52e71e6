package contention

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Symbols are the kernel's functions by address.
type Symbols struct {
	starts []uint64 // ascending
	names  []string
	locks  [][2]uint64 // where the functions are that implement locks
}

// LoadSymbols reads /proc/kallsyms, which shows addresses to root unless the
// sysctl kernel.kptr_restrict is 2.
func LoadSymbols() (*Symbols, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, fmt.Errorf("cannot read the kernel's symbols: %w", err)
	}
	defer f.Close()
	return parseSymbols(f)
}

// lockSections are the bounds of the code of locks, and lockFunctions what of it
// lies elsewhere: what perf(1) skips, too (machine__is_lock_function).
var (
	lockSections  = [][2]string{{"__sched_text_start", "__sched_text_end"}, {"__lock_text_start", "__lock_text_end"}}
	lockFunctions = []string{"__traceiter_contention_begin", "trace_contention_begin"}
)

func parseSymbols(r io.Reader) (*Symbols, error) {
	s := new(Symbols)
	bounds := make(map[string]uint64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// "ffffffff816ef160 t namespace_unlock	[module]"
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.Contains("tTwW", fields[1]) {
			continue
		}
		at, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read the kernel's symbols: %w", err)
		}
		if at == 0 {
			return nil, fmt.Errorf("cannot read the kernel's symbols: the kernel hides their addresses (see kernel.kptr_restrict)")
		}
		if strings.HasPrefix(fields[2], "__") {
			bounds[fields[2]] = at
		}
		s.starts, s.names = append(s.starts, at), append(s.names, fields[2])
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the kernel's symbols: %w", err)
	}
	sort.Stable(byAddress{s})
	s.findLocks(bounds)
	return s, nil
}

func (s *Symbols) findLocks(bounds map[string]uint64) {
	for _, section := range lockSections {
		if from, to := bounds[section[0]], bounds[section[1]]; from != 0 && from < to {
			s.locks = append(s.locks, [2]uint64{from, to})
		}
	}
	for i, name := range s.names {
		if slices.Contains(lockFunctions, name) && i+1 < len(s.starts) {
			s.locks = append(s.locks, [2]uint64{s.starts[i], s.starts[i+1]})
		}
	}
}

// Name is the function that an address lies in, "?" if it is none of the
// kernel's. Of several names for one address it is the last: the first may be
// the mark of a section's beginning.
func (s *Symbols) Name(ip uint64) string {
	after := sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > ip })
	if after == 0 {
		return "?"
	}
	return s.names[after-1]
}

// inLock reports whether the address is in the code of a lock.
func (s *Symbols) inLock(ip uint64) bool {
	return slices.ContainsFunc(s.locks, func(r [2]uint64) bool { return r[0] <= ip && ip < r[1] })
}

// byAddress sorts symbols.
type byAddress struct{ *Symbols }

func (b byAddress) Len() int           { return len(b.starts) }
func (b byAddress) Less(i, j int) bool { return b.starts[i] < b.starts[j] }
func (b byAddress) Swap(i, j int) {
	b.starts[i], b.starts[j] = b.starts[j], b.starts[i]
	b.names[i], b.names[j] = b.names[j], b.names[i]
}
