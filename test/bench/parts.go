package main

import (
	"context"
	"fmt"
	"regexp"
)

// part is something that is measured, as -only selects it.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

// privateParts are those of a private containerd, in the order in which they run.
// The light ones come before those that leave the machine something to tidy up.
var privateParts = []part{
	{"start", (*bench).starts},
	{"plain", (*bench).plainStarts},
	{"pod", (*bench).podMembers},
	{"exec", (*bench).execs},
	{"info", (*bench).infos},
	{"member", (*bench).memberStarts},
	{"layers", (*bench).startsOverLayers},
	{"mounts", (*bench).startsOverMounts},
	{"cpu", (*bench).cpuTime},
	{"calls", (*bench).mountCalls},
	{"concurrency", (*bench).burstsOverConcurrency},
	{"burst", (*bench).allBursts},
	{"calm", (*bench).firstBursts},
	{"beside", (*bench).besideBursts},
	{"running", (*bench).startsOverRunning},
	{"memory", (*bench).memory},
	{"restart", (*bench).daemonRestarts},
}

// nodeParts are those of somebody else's containerd: nothing that touches more than
// containers of their own.
var nodeParts = []part{
	{"start", (*bench).starts},
	{"pod", (*bench).podMembers},
	{"exec", (*bench).execs},
	{"concurrency", (*bench).burstsOverConcurrency},
	{"burst", (*bench).allBursts},
	{"running", (*bench).startsOverRunning},
	{"memory", (*bench).memory},
}

func partNames(among []part) []string {
	var names []string
	for _, p := range among {
		names = append(names, p.name)
	}
	return names
}

// selected returns the parts that -only asks for.
func (s settings) selected(among []part) ([]part, error) {
	wanted, err := regexp.Compile("^(" + s.only + ")$")
	if err != nil {
		return nil, err
	}
	var found []part
	for _, p := range among {
		if s.only == "" || wanted.MatchString(p.name) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("cannot find a part that matches %q: there are %v", s.only, partNames(among))
	}
	return found, nil
}
