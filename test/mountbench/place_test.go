package main

import (
	"testing"

	"tango/mounts/topology"
	"tango/mounts/topology/sysfstest"
)

// anywhere is a place without a wish.
func anywhere() place { return place{node: -1, socket: -1, cache: -1} }

func TestPlaces(t *testing.T) {
	two, err := topology.Read(sysfstest.Write(t, sysfstest.TwoSockets()))
	if err != nil {
		t.Fatal(err)
	}
	chiplets, err := topology.Read(sysfstest.Write(t, sysfstest.Chiplets()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		machine *topology.Machine
		change  func(*place)
		want    topology.CPUSet
		name    string
	}{
		{two, func(*place) {}, two.Online(), "the whole machine"},
		{two, func(p *place) { p.node = 1 }, two.Nodes()[1].CPUs, "node 1"},
		{two, func(p *place) { p.socket = 1 }, two.Sockets()[1].CPUs, "socket 1"},
		{two, func(p *place) { p.socket, p.node = 0, 0 }, two.Nodes()[0].CPUs, "node 0, socket 0"},
		{chiplets, func(p *place) { p.cache = 1 }, chiplets.L3()[1].CPUs, "level 3 cache 1"},
	} {
		p := anywhere()
		c.change(&p)
		got, err := p.cpus(c.machine)
		if err != nil || got.String() != c.want.String() || p.String() != c.name {
			t.Errorf("%s: %s on %s, want %s, %v", c.name, got, p, c.want, err)
		}
	}
}

func TestOneOfEachCore(t *testing.T) {
	m, err := topology.Read(sysfstest.Write(t, sysfstest.TwoSockets()))
	if err != nil {
		t.Fatal(err)
	}
	p := anywhere()
	p.noSMT = true
	set, err := p.cpus(m)
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != len(m.Cores()) || set.Len() == m.Online().Len() {
		t.Errorf("%s of %s", set, m.Online())
	}
	for _, core := range m.Cores() {
		if core.Intersect(set).Len() != 1 {
			t.Errorf("%s of core %s", core.Intersect(set), core)
		}
	}
}

func TestPlacesThatAreNotThere(t *testing.T) {
	m, err := topology.Read(sysfstest.Write(t, sysfstest.TwoSockets()))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*place){
		func(p *place) { p.node = 77 }, func(p *place) { p.socket = 77 }, func(p *place) { p.cache = 77 },
		func(p *place) { p.node, p.socket = 0, 1 },
	} {
		p := anywhere()
		change(&p)
		if set, err := p.cpus(m); err == nil {
			t.Errorf("%s has CPUs %s", p, set)
		}
	}
}
