// Package job is the language that the matrix and its guests speak: a Job goes
// into a guest's initramfs, Events come out of its result port, one JSON object
// a line. It holds data only, so that both ends can change together.
package job

import "time"

// Path is where a guest finds its Job, in the initramfs and, after the switch
// to the disk, below /run.
const Path = "/tango-job.json"

// Port is the name of the virtio-serial port that carries Events.
const Port = "tango.results"

// Job is all that a guest is told.
type Job struct {
	Machine Machine
	Modules []string // files below /lib/modules, in the order to load them
	Groups  []Test
}

// Machine is what a guest should find itself to be; it checks every field.
type Machine struct {
	Name       string
	Kernel     string // prefix of the release, such as 6.12
	CPUs       int    // logical CPUs, over all nodes
	Nodes      int    // NUMA nodes, those without memory too
	EmptyNodes int    // nodes that have CPUs but no memory
	Threads    int    // SMT threads a core
	Cgroup     int    // 1 or 2: the only hierarchy that has controllers
	Systemd    bool   // PID 1 is systemd
	AppArmor   bool   // AppArmor is on and Profile is loaded
	SELinux    bool   // SELinux enforces the guest's policy
}

// Profile is the AppArmor profile that a guest with AppArmor loads before the
// tests start; they find its name in TANGO_APPARMOR_PROFILE.
const Profile = "tango-test"

// Test is one test binary.
type Test struct {
	Group   string
	Package string
	Binary  string // absolute, in the guest
	Dir     string // working directory, in the guest
	Args    []string
	Env     []string
	Timeout time.Duration
}

// Kind says what an Event tells.
type Kind string

// The kinds of Event, in the order in which a healthy guest sends them. Start to
// Leak repeat for every test binary.
const (
	Boot   Kind = "boot"   // the guest is up; Text is its kernel release
	Check  Kind = "check"  // Text is what the machine should be; Failed says that it is not
	Start  Kind = "start"  // a test binary starts
	Output Kind = "output" // Text is one line of it
	End    Kind = "end"    // it ended with Exit after Seconds
	Leak   Kind = "leak"   // Text is something that it left behind
	Kernel Kind = "kernel" // Text is a warning or a bug in the kernel's log
	Done   Kind = "done"   // all were run
)

// Event is one line of a guest's result port.
type Event struct {
	Kind    Kind
	Package string  `json:",omitempty"`
	Text    string  `json:",omitempty"`
	Exit    int     `json:",omitempty"`
	Failed  bool    `json:",omitempty"`
	Seconds float64 `json:",omitempty"` // since the kernel started (Boot), or the test's length (End)
}
