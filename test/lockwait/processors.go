package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// processors is the processors' time until a moment, all of them together.
type processors struct {
	busy   time.Duration
	idle   time.Duration
	stolen time.Duration // by other guests of the same host
}

// tick is the unit of /proc/stat (USER_HZ, the same on all machines that Linux
// and containerd run on).
const tick = time.Second / 100

// processorTime reads /proc/stat, whose first line is "cpu" with the times in
// user, nice, system, idle, iowait, irq, softirq and steal.
func processorTime() (processors, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return processors{}, err
	}
	return parseProcessors(string(data))
}

func parseProcessors(text string) (processors, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return processors{}, fmt.Errorf("cannot read the processors' time from %q", line)
	}
	var times [8]time.Duration
	for i := range times {
		n, err := strconv.ParseInt(fields[1+i], 10, 64)
		if err != nil {
			return processors{}, fmt.Errorf("cannot read the processors' time: %w", err)
		}
		times[i] = time.Duration(n) * tick
	}
	return processors{
		busy: times[0] + times[1] + times[2] + times[5] + times[6],
		idle: times[3] + times[4], stolen: times[7],
	}, nil
}

// since is what was used since an earlier moment.
func (p processors) since(earlier processors) processors {
	return processors{busy: p.busy - earlier.busy, idle: p.idle - earlier.idle, stolen: p.stolen - earlier.stolen}
}
