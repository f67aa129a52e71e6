package operator

import (
	"strings"
	"testing"
)

// FuzzTraceLines reads what the kernel prints of its trace, where processes have any
// names.
func FuzzTraceLines(f *testing.F) {
	f.Add("runc:[2:INIT]-4711 [001] ..... 123.456789: sys_mount(dev_name: 0, type: 0)\n")
	f.Add(" a-1 [000] d.... 1.5: task_rename: pid=1 oldcomm=x newcomm=y oom_score_adj=0\n b-1 [000] d.... 1.6: sys_mount -> 0x0\n")
	f.Add(" a-1 [000] d.... 1.5: sched_process_fork: comm=a pid=1 child_comm=a child_pid=2\n")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := parseTraceLines(strings.NewReader(text))
		if err == nil && len(events) > strings.Count(text, "\n")+1 {
			t.Errorf("%d events in %q", len(events), text)
		}
		ofProcess(events, 1, threads{})
	})
}

// FuzzTraceParent takes a header that anybody can have sent.
func FuzzTraceParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	f.Add("---")
	f.Fuzz(func(t *testing.T, header string) {
		if p, ok := parseTrace(header); ok && (len(p.trace) != 32 || len(p.span) != 16) {
			t.Errorf("%q has become %+v", header, p)
		}
	})
}
