package topology

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// maxID bounds what is believed to be a number of a CPU or node. The largest
// kernels are built for 8192 CPUs and 1024 nodes.
const maxID = 1<<16 - 1

// CPUSet is a set of CPUs, by the kernel's numbers. It never changes; the zero
// value is empty.
type CPUSet struct {
	words []uint64 // bit n%64 of word n/64; the last word is not 0
}

// ParseCPUSet reads the kernel's list format: numbers and ranges with commas
// between them, such as "0-3,8". White space around it is ignored; nothing at
// all is the empty set. Numbers above 65535 are refused.
func ParseCPUSet(list string) (CPUSet, error) {
	var s CPUSet
	list = strings.TrimSpace(list)
	if list == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, err := parseRange(part)
		if err != nil {
			return CPUSet{}, fmt.Errorf("cannot parse list %q: %w", list, err)
		}
		for id := first; id <= last; id++ {
			s.add(id)
		}
	}
	return s, nil
}

// parseRange reads "3" or "0-3".
func parseRange(text string) (first, last int, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if first, err = parseID(from); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = parseID(to); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("range %q ends before it begins", text)
	}
	return first, last, nil
}

// parseID reads a number of a CPU or node: digits only.
func parseID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	if n > maxID {
		return 0, fmt.Errorf("%d is larger than %d", n, maxID)
	}
	return int(n), nil
}

// add is for sets that nobody else has seen yet.
func (s *CPUSet) add(id int) {
	for len(s.words) <= id/64 {
		s.words = append(s.words, 0)
	}
	s.words[id/64] |= 1 << (id % 64)
}

// Len is how many CPUs are in the set.
func (s CPUSet) Len() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// All gives the CPUs in ascending order.
func (s CPUSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(i*64 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// Contains tells whether the CPU is in the set.
func (s CPUSet) Contains(cpu int) bool {
	return cpu >= 0 && cpu/64 < len(s.words) && s.words[cpu/64]&(1<<(cpu%64)) != 0
}

// Intersect is what both sets have.
func (s CPUSet) Intersect(other CPUSet) CPUSet {
	return s.filter(other.Contains)
}

// Minus is what only s has.
func (s CPUSet) Minus(other CPUSet) CPUSet {
	return s.filter(func(cpu int) bool { return !other.Contains(cpu) })
}

func (s CPUSet) filter(keep func(int) bool) CPUSet {
	var r CPUSet
	for cpu := range s.All() {
		if keep(cpu) {
			r.add(cpu)
		}
	}
	return r
}

// String is the set in list format; equal sets have equal strings.
func (s CPUSet) String() string {
	var b strings.Builder
	first, last := -1, -2
	flush := func() {
		switch {
		case first < 0:
		case first == last:
			fmt.Fprintf(&b, ",%d", first)
		default:
			fmt.Fprintf(&b, ",%d-%d", first, last)
		}
	}
	for cpu := range s.All() {
		if cpu != last+1 {
			flush()
			first = cpu
		}
		last = cpu
	}
	flush()
	return strings.TrimPrefix(b.String(), ",")
}
