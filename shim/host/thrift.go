package host

import "runtime/debug"

// thrift gives memory back after a burst: what the service took for many requests at
// once, it does not need for the next few.
type thrift struct {
	seen  uint64 // requests at the last look
	given uint64 // requests when memory was given back last
}

// look is told from time to time how many requests there have been. When none has come
// since the last time, but some since memory was given back, it is given back. It
// tells whether it was.
func (t *thrift) look(requests uint64) bool {
	calm := requests == t.seen
	t.seen = requests
	if !calm || requests == t.given {
		return false
	}
	t.given = requests
	debug.FreeOSMemory()
	return true
}
