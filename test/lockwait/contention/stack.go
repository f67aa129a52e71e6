package contention

import "encoding/binary"

// maxStack is how many addresses of a stack are asked for: enough to reach from
// a lock to the system call.
const maxStack = 24

// contextMark is the least of the marks in a stack that are no addresses
// (PERF_CONTEXT_MAX): they say whether kernel or user follows.
const contextMark uint64 = 1<<64 - 4095

// stackTable numbers stacks, so that each is kept once.
type stackTable struct {
	numbers map[string]int32
	stacks  [][]uint64 // by number; the innermost function first
}

// number returns the number of a stack that the kernel has written.
func (t *stackTable) number(chain []byte) int32 {
	if n, known := t.numbers[string(chain)]; known {
		return n
	}
	if t.numbers == nil {
		t.numbers = make(map[string]int32)
	}
	n := int32(len(t.stacks))
	t.numbers[string(chain)] = n
	t.stacks = append(t.stacks, addresses(chain))
	return n
}

func addresses(chain []byte) []uint64 {
	var ips []uint64
	for at := 0; at+8 <= len(chain); at += 8 {
		if ip := binary.NativeEndian.Uint64(chain[at:]); ip < contextMark {
			ips = append(ips, ip)
		}
	}
	return ips
}
