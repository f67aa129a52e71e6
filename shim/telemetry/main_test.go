package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(strangerEnv); dir != "" {
		stranger(dir)
		return
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests send as other users, and need root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve runs a collector for the length of the test, or until the returned
// function is called, which waits for its end.
func serve(t testing.TB, runDir string, sources ...Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, runDir, sources...) }()
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	eventually(t, "the collector answers", func() bool { _, err := Fetch(t.Context(), runDir); return err == nil })
	return stop
}

// eventually waits for a condition, for as long as a loaded machine may take.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}

// snapshot waits until is holds of one.
func snapshot(t testing.TB, runDir, what string, is func(Snapshot) bool) (s Snapshot) {
	t.Helper()
	eventually(t, what, func() bool {
		var err error
		if s, err = Fetch(context.Background(), runDir); err != nil {
			t.Fatal(err)
		}
		return is(s)
	})
	return s
}

// sample is a valid record.
func sample() Record {
	return Record{
		Time: time.Now(), Op: OpCreate, Arm: "tango", Base: "control", Way: "plain",
		Namespace: "ns", Pod: "pod", Container: "c1", Result: ResultOK, Took: 30 * time.Millisecond,
		Phases: []Phase{{Name: "rootfs", At: 0, Took: 2 * time.Millisecond}},
		Counts: map[string]int64{"layers": 3},
	}
}

var errTest = errors.New("it went wrong")
