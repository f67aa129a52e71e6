package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"

	"tango/shim/container"
	"tango/shim/task"
)

func rss() string {
	b, _ := os.ReadFile("/proc/self/smaps_rollup")
	var d string
	for _, l := range split(string(b)) {
		if len(l) > 14 && l[:14] == "Private_Dirty:" {
			d = l
		}
	}
	return d
}
func split(s string) (o []string) {
	c := ""
	for _, r := range s {
		if r == '\n' {
			o = append(o, c)
			c = ""
		} else {
			c += string(r)
		}
	}
	return
}

var last uint64

func at(what string) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "%-12s total %5d kB (+%d) mallocs %d sys %d kB %s\n", what, m.TotalAlloc>>10, (m.TotalAlloc-last)>>10, m.Mallocs, m.Sys>>10, rss())
	runtime.ReadMemStats(&m)
	last = m.TotalAlloc
}

func main() {
	debug.SetGCPercent(-1)
	if os.Getenv("P") != "" {
		runtime.MemProfileRate = 1
	}
	at("start")
	at("again")
	task.Rehearse()
	at("rehearse")
	p := container.Prepare(container.Shared{RunDir: "/tmp/exp/zzrun"}, "/tmp/exp/bundles")
	at("prepare")
	_ = p.Close()
	if os.Getenv("P") != "" {
		f, _ := os.Create("/tmp/exp/heap.pb.gz")
		pprof.Lookup("allocs").WriteTo(f, 0)
		f.Close()
	}
}
