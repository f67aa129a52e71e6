package operator

// Report is all that doctor finds out about a machine. It is what --json prints.
type Report struct {
	// Version is that of this command.
	Version string `json:"version"`
	// Root tells whether root asked; others cannot find out everything.
	Root bool `json:"root"`

	Kernel     Kernel     `json:"kernel"`
	Ways       Ways       `json:"ways"`
	Machine    Machine    `json:"machine"`
	Cgroups    Cgroups    `json:"cgroups"`
	Containerd Containerd `json:"containerd"`

	// Findings are what to do about it, what is missing first.
	Findings []Finding `json:"findings"`
}

// Level says how much a finding matters.
type Level string

// The levels.
const (
	// Missing is what containers can't start without, or not all of them.
	Missing Level = "missing"
	// Choice would make starts faster, at a price that only the operator knows.
	Choice Level = "choice"
)

// Finding is something to do.
type Finding struct {
	Level Level `json:"level"`
	// What is the matter, in a line.
	What string `json:"what"`
	// Why it matters, and what mending it costs.
	Why string `json:"why"`
	// Commands mend it, run as root by a shell; one may have several lines.
	// There are none where no command can.
	Commands []string `json:"commands,omitempty"`
}

// count is how many findings there are of a level.
func (r *Report) count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}
