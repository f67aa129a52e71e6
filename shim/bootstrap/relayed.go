package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"tango/shim/host"
	"tango/shim/relay"
)

// errDeclined says that the service can't act for this caller, which then does its
// work itself.
var errDeclined = errors.New("declined")

// answer acts for a process that containerd executed, as that process would.
func answer(ctx context.Context, r *relay.Request, warm *host.Pool) relay.Reply {
	inv, err := parseInvocation(r.Args)
	if err != nil {
		return relay.Reply{Status: relay.Declined}
	}
	parent, err := parentOf(int(r.Peer.Pid))
	if err != nil {
		return relay.Reply{Status: relay.Declined}
	}
	var stdout, stderr bytes.Buffer
	ctx = log.WithLogger(ctx, loggerTo(&stderr, inv))
	err = inv.act(ctx, caller{
		dir: r.Dir, env: r.Env, parent: parent, warm: warm,
		stdin: io.NewSectionReader(r.Stdin, 0, maxRequest), stdout: &stdout,
	})
	switch {
	case errors.Is(err, errDeclined):
		return relay.Reply{Status: relay.Declined}
	case err != nil:
		return relay.Reply{Status: 1, Stderr: fmt.Appendf(stderr.Bytes(), "%s: %s", RuntimeType, err)}
	}
	return relay.Reply{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
}

// loggerTo logs into the caller's stderr; a start must not, since containerd reads
// its stdout and stderr as one answer.
func loggerTo(stderr io.Writer, inv *invocation) *log.Entry {
	l := logrus.New()
	l.SetOutput(stderr)
	if inv.action == "start" {
		l.SetOutput(io.Discard)
	}
	if inv.debug {
		l.SetLevel(logrus.DebugLevel)
	}
	return logrus.NewEntry(l)
}

// parentOf reads field 4 of /proc/PID/stat (proc_pid_stat(5)); the command name,
// field 2, may hold anything.
func parentOf(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 2 {
		return 0, fmt.Errorf("cannot parse /proc/%d/stat", pid)
	}
	return strconv.Atoi(fields[1])
}

// mayServe tells whether the shim that req asks for can come from here: a service
// keeps things in one run directory, and a core scheduling cookie is only had by
// being executed with it.
func (c caller) mayServe(req request) bool {
	return c.warm == nil || req.runDir(c) == c.warm.Config.RunDir && c.getenv("SCHED_CORE") == ""
}
