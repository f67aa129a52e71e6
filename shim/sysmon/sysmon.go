// Package sysmon has the Go runtime's monitor thread wake less often. Programs import it
// for its effect.
//
// The thread (sysmon in runtime/proc.go) looks every 20 µs, as long as the program has
// something to do, whether a system call holds a processor of Go's that others could use.
// With the 50 µs by which the kernel may be late (prctl(2), PR_SET_TIMERSLACK) it wakes
// 14,000 times a second. While many containers start, that were 300 of the 500 context switches
// of a shim, and 90 of the 150 of a container's init. With 200 µs a start takes 565 instead
// of 730, all processes together, and a processor that is held comes free 0.2 ms later. A
// millisecond costs more than it spares (docs/performance.md).
//
// What a thread is allowed is handed down to whom it starts, threads and processes. So
// the monitor's own threads get what the process has, and no process ever starts from
// the monitor itself: containers see nothing of this.
package sysmon

/*
#cgo CFLAGS: -Wall -Wextra
#cgo LDFLAGS: -Wl,--wrap=pthread_create
#include "sysmon.h"
*/
import "C"

// slack is by how much the monitor may be late, in nanoseconds.
const slack = C.TANGO_SYSMON_SLACK
