package main

import (
	"bytes"
	"os"
	"time"
)

// sampleEvery is the time between two looks at the host's mount table. Reading
// it takes the lock that mounting needs, so not more often.
const sampleEvery = 50 * time.Millisecond

// watchMounts follows the length of the host's mount table. The function that
// it returns ends that and gives the peak above the length at the beginning.
func watchMounts() func() int {
	before := mountCount()
	peak := before
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				peak = max(peak, mountCount())
			case <-stop:
				return
			}
		}
	}()
	return func() int {
		close(stop)
		<-stopped
		return peak - before
	}
}

// mountCount returns how many mounts this namespace has, 0 if that cannot be read.
func mountCount() int {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte{'\n'})
}
