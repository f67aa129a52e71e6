// Package contention records who waits for the kernel's locks, on the whole
// machine: the tracepoints lock:contention_begin and lock:contention_end (Linux
// 5.19) with the kernel's stack, through perf_event_open(2).
//
// A lock that is free costs nothing and does not show; nor does what the holder
// of a lock waits for itself, such as an RCU grace period.
//
// When not to use it: where the waits of one process are wanted. It listens to
// all of them, and its own cost is some microseconds per wait.
package contention
