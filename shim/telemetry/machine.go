package telemetry

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
)

// machine is what records of different nodes are told apart by.
type machine struct{ node, kernel, hardware string }

// thisMachine asks the kernel. What can't be found out is "unknown".
func thisMachine() machine {
	m := machine{node: "unknown", kernel: "unknown", hardware: "unknown"}
	if name, err := os.Hostname(); err == nil {
		m.node = name
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.kernel = unix.ByteSliceToString(u.Release[:])
	}
	if t, err := topology.Read(topology.Roots{}); err == nil {
		m.hardware = hardwareClass(t)
	}
	return m
}

// hardwareClass names what matters for contended mount work, and no more: nodes of
// one class may differ in clock and memory, not in how many CPUs share what.
func hardwareClass(t *topology.Machine) string {
	smt := "nosmt"
	if len(t.Cores()) < t.Online().Len() {
		smt = "smt"
	}
	return strings.Join([]string{
		fmt.Sprintf("%dcpu", t.Online().Len()),
		fmt.Sprintf("%dsocket", len(t.Sockets())),
		fmt.Sprintf("%dnode", len(t.Nodes())),
		fmt.Sprintf("%dl3", len(t.L3())),
		smt,
	}, "-")
}
