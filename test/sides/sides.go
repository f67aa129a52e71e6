// Package sides names what is compared with what, and says who goes first.
package sides

import "tango/test/harness"

// Side is one of those that are compared.
type Side int

// The sides. Crun is the stock shim with crun instead of runc.
const (
	Tango Side = iota
	Stock
	Crun
	Count // how many there are
)

// Two are those that every comparison has.
var Two = []Side{Tango, Stock}

var (
	names    = [Count]string{"tango", "stock", "crun"}
	labels   = [Count]string{"tango", "runc shim", "runc shim + crun"}
	runtimes = [Count]string{harness.Tango, harness.Stock, harness.Stock}
	shims    = [Count]string{"containerd-shim-tango-v2", "containerd-shim-runc-v2", "containerd-shim-runc-v2"}
)

func (s Side) String() string { return names[s] }

// Label names the side in pictures.
func (s Side) Label() string { return labels[s] }

// Runtime is the name that containerd knows the side's shim by.
func (s Side) Runtime() string { return runtimes[s] }

// Shim is the program of the side's shim.
func (s Side) Shim() string { return shims[s] }

// Order says who goes first in a round: each in turn, so that nobody always finds
// what the same other one has left behind.
func Order(among []Side, round int) []Side {
	first := round % len(among)
	return append(append([]Side{}, among[first:]...), among[:first]...)
}

// Samples are measured values by side, one for each round; a side that took no part
// has none.
type Samples [Count][]float64

// Add appends another's values, side by side.
func (s *Samples) Add(other Samples) {
	for side, values := range other {
		s[side] = append(s[side], values...)
	}
}
