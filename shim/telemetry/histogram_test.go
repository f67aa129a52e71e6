package telemetry

import (
	"encoding/json"
	"testing"
	"time"
)

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	for range 90 {
		h.Observe(time.Millisecond)
	}
	for range 10 {
		h.Observe(time.Second)
	}
	if h.Count != 100 || h.Sum != 90*time.Millisecond+10*time.Second {
		t.Errorf("%+v", h)
	}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: time.Millisecond, 0.89: time.Millisecond, 0.95: 1024 * time.Millisecond, 1: 1024 * time.Millisecond} {
		if got := h.Quantile(q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	h.Observe(time.Hour)
	if h.Quantile(1) < time.Minute {
		t.Error("what is beyond the buckets is lost")
	}
}

func TestClip(t *testing.T) {
	long := string(make([]byte, 5000))
	if n := len(mustJSON(t, clip(long))); n > 6*maxError {
		t.Errorf("%d bytes", n)
	}
	if clip("short") != "short" {
		t.Error("clips what is short")
	}
}
