package main

import (
	"regexp"
	"strings"
	"syscall"

	"tango/test/vm/job"
)

// readAll is SYSLOG_ACTION_READ_ALL of syslog(2).
const readAll = 3

// late finds complaints that are none, since an emulated CPU may well be late:
// stalls of RCU, of a CPU or of a workqueue.
var late = regexp.MustCompile(`soft lockup|workqueue lockup|stall`)

// bad finds the kernel's own complaints.
var bad = regexp.MustCompile(`WARNING: |BUG: |Oops|general protection|kernel panic|refcount_t|unregister_netdevice: waiting`)

// reportKernelLog reports what the kernel complained of while the tests ran.
func reportKernelLog(r *reporter) {
	buf := make([]byte, 4<<20)
	n, err := syscall.Klogctl(readAll, buf)
	if err != nil {
		r.send(job.Event{Kind: job.Kernel, Text: "cannot read the kernel's log: " + err.Error()})
		return
	}
	for line := range strings.Lines(string(buf[:n])) {
		if bad.MatchString(line) && !late.MatchString(line) {
			r.send(job.Event{Kind: job.Kernel, Text: strings.TrimSpace(line)})
		}
	}
}
