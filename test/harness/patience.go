package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// PatienceVariable is the environment variable that stretches every deadline of
// the harness: 10 for a machine that is ten times slower than usual, such as an
// emulated one. Deadlines only end tests that wait for what never comes.
const PatienceVariable = "TANGO_TEST_PATIENCE"

// patient stretches a deadline. A value that is no number, or less than one,
// changes nothing.
func patient(d time.Duration) time.Duration {
	times, err := strconv.Atoi(os.Getenv(PatienceVariable))
	if err != nil {
		return d
	}
	return d * time.Duration(max(1, times))
}

// containerdTimeouts are those of containerd's that a slow machine runs into, by their
// keys in its configuration, with their defaults (core/runtime/v2/shim.go,
// plugins/services/tasks/local.go).
var containerdTimeouts = []struct {
	key    string
	normal time.Duration
}{
	{"io.containerd.timeout.shim.load", 5 * time.Second},
	{"io.containerd.timeout.shim.cleanup", 5 * time.Second},
	{"io.containerd.timeout.shim.shutdown", 3 * time.Second},
	{"io.containerd.timeout.task.state", 2 * time.Second},
}

// timeouts renders the part of containerd's configuration that stretches its own
// deadlines; nothing where none of them is.
func timeouts() string {
	if patient(1) == 1 {
		return ""
	}
	var b strings.Builder
	b.WriteString("[timeouts]\n")
	for _, t := range containerdTimeouts {
		fmt.Fprintf(&b, "%q = %q\n", t.key, patient(t.normal))
	}
	return b.String()
}
