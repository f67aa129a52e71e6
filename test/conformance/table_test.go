package main

import (
	"strings"
	"testing"
)

func TestNewRow(t *testing.T) {
	for _, c := range []struct {
		test, reference, ours, difference string
		bad                               bool
	}{
		{"TestA", "pass", "pass", "", false},
		{"TestA", "FAIL", "FAIL", "", false},
		{"TestA", "pass", "FAIL", "WORSE", true},
		{"TestA", "flaky", "FAIL", "WORSE", true},
		{"TestA", "pass", "skip", "WORSE", true},
		{"TestA", "pass", "-", "WORSE", true},
		{"TestA", "pass", "flaky", "flaky", false},
		{"TestA", "FAIL", "pass", "better", false},
		{"TestA", "skip", "FAIL", "other", false},
		{"TestIssue9103/sub", "pass", "pass", "fault build", false},
		{"TestIssue9103/sub", "pass", "FAIL", "WORSE", true},
	} {
		r := newRow(c.test, c.reference, c.ours)
		if r.difference != c.difference || r.bad != c.bad {
			t.Errorf("%s, %s then %s: %q bad=%v, want %q bad=%v",
				c.test, c.reference, c.ours, r.difference, r.bad, c.difference, c.bad)
		}
	}
}

func TestTable(t *testing.T) {
	both := results{}
	both.add("TestB", pass, "")
	both.add("TestA", fail, "")
	both.add("TestA/one", pass, "")
	both.add("TestA/two", fail, "broken")
	both.add("TestA/two/x/y", fail, "broken")
	both.add("TestAB", pass, "")
	ours := results{}
	ours.add("TestB", fail, "worse")

	rows := compare([]string{"TestB", "TestA"}, both, ours)
	var out strings.Builder
	printTable(&out, rows, "runc.v2", "tango.v2")
	want := `test     runc.v2   tango.v2  difference
TestB    pass      FAIL      WORSE
TestA    FAIL      -         other
  one    pass      -         WORSE
  two    FAIL      -         other
    x/y  FAIL      -         other
`
	if out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
	out.Reset()
	printReasons(&out, "runc.v2", rows, both)
	if got := out.String(); strings.Contains(got, "TestA:") || !strings.Contains(got, "TestA/two/x/y: broken") {
		t.Errorf("reasons:\n%s", got)
	}
	sum := summary(rows, func(r row) string { return r.reference })
	if !strings.HasPrefix(sum, "2 run, 1 passed, 0 flaky, 1 failed, 0 skipped (with subtests: 5 run,") {
		t.Errorf("summary %q", sum)
	}
}
