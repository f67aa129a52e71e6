package sysmon

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// slackOf is by how much a thread may be late, in nanoseconds. To read that of another
// thread takes CAP_SYS_NICE.
func slackOf(t *testing.T, tid string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + tid + "/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// late are the threads that may be as late as the monitor, and how many others there are.
func late(t *testing.T, usual int) (late []string, others int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		switch got := slackOf(t, task.Name()); got {
		case slack:
			late = append(late, task.Name())
		case usual:
			others++
		default:
			t.Errorf("thread %s may be %d ns late", task.Name(), got)
		}
	}
	return late, others
}

// holdProcessors has the monitor start threads: system calls that block hold all
// processors, and others want one.
func holdProcessors(t *testing.T, calls int) (done func()) {
	t.Helper()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	var held sync.WaitGroup
	for range calls {
		held.Go(func() { _, _ = unix.Read(pipe[0], make([]byte, 1)) })
		runtime.Gosched()
	}
	return func() {
		_ = unix.Close(pipe[1])
		held.Wait()
		_ = unix.Close(pipe[0])
	}
}

func TestMonitorAloneIsLate(t *testing.T) {
	usual := slackOf(t, "self")
	if usual <= 0 || usual >= slack {
		t.Skipf("NOT TESTED: this process may be %d ns late, so the monitor is left alone", usual)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	done := holdProcessors(t, 20)
	defer done()
	monitors, others := late(t, usual)
	if len(monitors) != 1 || others < 20 {
		t.Errorf("late are %v, %d others are not; want the monitor alone, and more than 20", monitors, others)
	}
	if first := fmt.Sprint(os.Getpid()); len(monitors) > 0 && monitors[0] == first {
		t.Error("the main thread is late")
	}
}

// What this process starts is as late as this process, from whatever thread.
func TestChildrenAreNotLate(t *testing.T) {
	usual := slackOf(t, "self")
	done := holdProcessors(t, 20)
	defer done()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			out, err := exec.Command("cat", "/proc/self/timerslack_ns").Output()
			if got := strings.TrimSpace(string(out)); err != nil || got != fmt.Sprint(usual) {
				t.Errorf("a child may be %q ns late, %v; want %d", got, err, usual)
			}
		})
	}
	all.Wait()
}
