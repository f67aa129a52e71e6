package main

import (
	"strings"
	"testing"
)

func read(t *testing.T, rs results, events ...string) {
	t.Helper()
	if err := rs.readResults(strings.NewReader(strings.Join(events, "\n"))); err != nil {
		t.Fatal(err)
	}
}

func TestVerdicts(t *testing.T) {
	rs := results{}
	read(t, rs,
		`{"Action":"run","Test":"TestPass"}`, `{"Action":"pass","Test":"TestPass"}`,
		`{"Action":"run","Test":"TestFail"}`, `{"Action":"fail","Test":"TestFail"}`,
		`{"Action":"run","Test":"TestOnce"}`, `{"Action":"fail","Test":"TestOnce"}`,
		`{"Action":"run","Test":"TestSkip"}`, `{"Action":"skip","Test":"TestSkip"}`,
		`{"Action":"run","Test":"TestHangs"}`,
		`{"Action":"fail"}`,
	)
	read(t, rs, `{"Action":"run","Test":"TestOnce"}`, `{"Action":"pass","Test":"TestOnce"}`)
	for name, want := range map[string]string{
		"TestPass": "pass", "TestFail": "FAIL", "TestOnce": "flaky",
		"TestSkip": "skip", "TestHangs": "FAIL", "TestNever": "-",
	} {
		if got := rs[name].verdict(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if why := rs["TestHangs"].why; !strings.HasPrefix(why, "did not end") {
		t.Errorf("the unfinished test is explained by %q", why)
	}
}

func TestTruncatedEvents(t *testing.T) {
	if err := (results{}).readResults(strings.NewReader(`{"Action":"run"`)); err == nil {
		t.Error("a cut stream of events was taken")
	}
}

func TestComplaint(t *testing.T) {
	for want, lines := range map[string][]string{
		"want 1, have 2": {
			`    log_hook.go:47: time="x" level=debug msg="a_test.go:1: no"`,
			"    container_test.go:75: want 1, have 2",
			"    container_test.go:76: more",
		},
		"Received unexpected error:": {
			"    container_linux_test.go:1786:",
			"        \tError Trace:\t/x/container_linux_test.go:1786",
			"        \tError:      \tReceived unexpected error:",
		},
		"": {"--- PASS: TestX (0.00s)"},
	} {
		if got := complaint(lines); got != want {
			t.Errorf("complaint %q, want %q", got, want)
		}
	}
}
