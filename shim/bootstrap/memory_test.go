package bootstrap

import (
	"math"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

// residentOfFiles is how many KiB of files this process has mapped and present.
func residentOfFiles(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no RssFile in %s", status)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestUnmapCode goes on running afterwards, with less of the binary mapped.
func TestUnmapCode(t *testing.T) {
	before := residentOfFiles(t)
	if err := unmapCode(); err != nil {
		t.Fatal(err)
	}
	if after := residentOfFiles(t); after >= before {
		t.Errorf("%d KiB of files are mapped, as many as the %d before", after, before)
	}
}

// TestFrugalUntilBusy lets a shim's heap grow and wants collections to begin.
func TestFrugalUntilBusy(t *testing.T) {
	procs := runtime.GOMAXPROCS(1)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	runtime.GC() // of what other tests have left
	beFrugal()
	if limit := debug.SetMemoryLimit(-1); limit != firstCollection {
		t.Fatalf("a frugal shim collects at %d bytes, want %d", limit, firstCollection)
	}
	want := min(maxProcs, runtime.NumCPU())
	deadline := time.Now().Add(time.Minute)
	for runtime.GOMAXPROCS(0) != want || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		if time.Now().After(deadline) {
			t.Fatal("a shim with much garbage has never collected it")
		}
		garbage = make([]byte, 1<<20)
		runtime.Gosched()
	}
	if percent := debug.SetGCPercent(gcPercent); percent != gcPercent {
		t.Errorf("the heap may grow by %d %%, want %d", percent, gcPercent)
	}
}

var garbage []byte
