package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// outcome is how one try of a test ended.
type outcome string

const (
	pass outcome = "pass"
	fail outcome = "fail"
	skip outcome = "skip"
)

// record is what is known of one test with one runtime.
type record struct {
	tries []outcome
	why   string // first complaint of the last try that didn't pass
}

// results are records by test name, subtests as "TestX/name".
type results map[string]*record

// verdict sums up the tries: a test that both failed and passed is flaky.
func (r *record) verdict() string {
	if r == nil || len(r.tries) == 0 {
		return "-"
	}
	last := r.tries[len(r.tries)-1]
	if last == fail {
		return "FAIL"
	}
	for _, o := range r.tries {
		if o == fail {
			return "flaky"
		}
	}
	return string(last)
}

// event is one line of `go tool test2json`.
type event struct {
	Action string
	Test   string
	Output string
}

// readResults adds the tries told by a stream of test2json events. A test that
// began and has no end, because the suite crashed or ran out of time, failed.
func (rs results) readResults(r io.Reader) error {
	open := map[string][]string{} // what each unfinished test printed
	dec := json.NewDecoder(r)
	for {
		var e event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot read the suite's events: %w", err)
		}
		if e.Test == "" {
			continue
		}
		switch e.Action {
		case "run":
			open[e.Test] = []string{}
		case "output":
			if _, ok := open[e.Test]; ok {
				open[e.Test] = append(open[e.Test], e.Output)
			}
		case "pass", "fail", "skip":
			rs.add(e.Test, outcome(e.Action), complaint(open[e.Test]))
			delete(open, e.Test)
		}
	}
	for name, out := range open {
		rs.add(name, fail, "did not end: "+complaint(out))
	}
	return nil
}

func (rs results) add(name string, o outcome, why string) {
	r := rs[name]
	if r == nil {
		r = &record{}
		rs[name] = r
	}
	r.tries = append(r.tries, o)
	if o != pass {
		r.why = why
	}
}

// tries counts the tries of all tests.
func (rs results) tries() int {
	n := 0
	for _, r := range rs {
		n += len(r.tries)
	}
	return n
}

// complaint picks the first line that a testing.T method of the suite printed,
// leaving out the log lines of the client library.
func complaint(lines []string) string {
	var found string
	for i, l := range lines {
		l = strings.TrimSpace(l)
		file, text, ok := strings.Cut(l, ": ")
		if !ok && strings.HasSuffix(l, ":") && i+1 < len(lines) {
			file, text, ok = strings.TrimSuffix(l, ":"), assertion(lines[i+1:]), true
		}
		if !ok || !strings.Contains(file, "_test.go:") || strings.HasPrefix(text, "time=") {
			continue
		}
		found = text
		if !strings.HasPrefix(found, "image ") && !strings.HasPrefix(found, "container ") {
			break
		}
	}
	return found
}

// assertion shortens testify's report to the line that says what was wrong.
func assertion(lines []string) string {
	for _, l := range lines {
		if _, text, ok := strings.Cut(l, "Error:"); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// with returns those of names that have this verdict.
func (rs results) with(verdict string, names []string) []string {
	var out []string
	for _, n := range names {
		if rs[n].verdict() == verdict {
			out = append(out, n)
		}
	}
	return out
}
