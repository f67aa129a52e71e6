package operator

import (
	"bufio"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tango/shim/telemetry"
)

// kernelEvent is a line of the kernel's trace.
type kernelEvent struct {
	comm string
	tid  int
	cpu  int
	at   time.Duration // since the epoch, once the clock's offset is added
	name string        // "sys_mount", "sys_mount ->", "contention_begin", ...
	text string        // arguments
}

// traceLine is the default form of a line (Documentation/trace/ftrace.rst):
//
//	runc:[2:INIT]-4711 [001] ..... 123.456789: sys_mount(dev_name: 0, ...)
var traceLine = regexp.MustCompile(`^\s*(.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+)\.(\d+): (.+)$`)

// parseTraceLines reads what it understands.
func parseTraceLines(r io.Reader) ([]kernelEvent, error) {
	var events []kernelEvent
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := traceLine.FindStringSubmatch(lines.Text()); m != nil {
			events = append(events, newKernelEvent(m))
		}
	}
	nameAsThen(events)
	return events, lines.Err()
}

// nameAsThen gives events the names that their threads had at the time: the kernel
// prints the last one, which is that of the container's program once it runs.
func nameAsThen(events []kernelEvent) {
	later := map[int]string{}
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		if _, text, ok := strings.Cut(e.text, "oldcomm="); ok && e.name == "task_rename" {
			later[e.tid], _, _ = strings.Cut(text, " newcomm=")
		}
		if name, renamed := later[e.tid]; renamed {
			e.comm = name
		}
	}
}

func newKernelEvent(m []string) kernelEvent {
	e := kernelEvent{comm: m[1]}
	e.tid, _ = strconv.Atoi(m[2])
	e.cpu, _ = strconv.Atoi(m[3])
	seconds, _ := strconv.ParseInt(m[4], 10, 64)
	fraction, _ := strconv.ParseFloat("0."+m[5], 64)
	e.at = time.Duration(seconds)*time.Second + time.Duration(fraction*1e9)
	switch body := m[6]; {
	case strings.HasPrefix(body, "sys_") && strings.Contains(body, " -> "):
		name, result, _ := strings.Cut(body, " -> ")
		e.name, e.text = name+" ->", result
	case strings.HasPrefix(body, "sys_"):
		e.name, e.text, _ = strings.Cut(strings.TrimSuffix(body, ")"), "(")
	default:
		e.name, e.text, _ = strings.Cut(body, ": ")
	}
	return e
}

// forked reads sched_process_fork's child.
func (e kernelEvent) forked() (child int, ok bool) {
	if e.name != "sched_process_fork" {
		return 0, false
	}
	_, text, found := strings.Cut(e.text, "child_pid=")
	child, err := strconv.Atoi(strings.TrimSpace(text))
	return child, found && err == nil
}

// ofProcess leaves what a process, its threads, and all that descend from them did.
// The process may have ended by now, and be older than the trace.
func ofProcess(events []kernelEvent, pid int, threads threads) []kernelEvent {
	family := threads.of(pid)
	family[pid] = true
	mine := []kernelEvent{}
	for _, e := range events {
		if !family[e.tid] {
			continue
		}
		if child, ok := e.forked(); ok {
			family[child] = true
			continue
		}
		mine = append(mine, e)
	}
	return mine
}

// serviceName is whose a call of the host's service is said to be.
const serviceName = "the host's service"

// ofServices leaves what the host's services did for one container, or for others at
// the same time, and not what they start: that is all shims.
func ofServices(events []kernelEvent, pids []int, threads threads, during telemetry.Record) []kernelEvent {
	begin := time.Duration(during.Time.UnixNano())
	var theirs []kernelEvent
	for _, e := range events {
		_, isFork := e.forked()
		if isFork || e.at < begin || e.at > begin+during.Took || !slices.Contains(pids, threads[e.tid]) {
			continue
		}
		e.comm = serviceName
		theirs = append(theirs, e)
	}
	return theirs
}
