package main

import (
	"testing"
	"time"
)

func TestParseProcessors(t *testing.T) {
	p, err := parseProcessors("cpu  100 10 200 4000 300 0 20 50 0 0\ncpu0 1 2 3\n")
	if err != nil || p.busy != 3300*time.Millisecond || p.idle != 43*time.Second || p.stolen != 500*time.Millisecond {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, text := range []string{"", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu a b c d e f g h"} {
		if p, err := parseProcessors(text); err == nil {
			t.Errorf("%q gave %+v", text, p)
		}
	}
	now, err := processorTime()
	if err != nil || now.busy <= 0 || now.since(now) != (processors{}) {
		t.Errorf("now %+v, %v", now, err)
	}
}
