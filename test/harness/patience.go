package harness

import (
	"os"
	"strconv"
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
