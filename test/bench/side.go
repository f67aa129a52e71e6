package main

import "tango/test/harness"

// side is one of the two that are compared.
type side int

const (
	tango side = iota
	stock
)

var (
	sideNames = [2]string{"tango", "stock"}
	runtimes  = [2]string{harness.Tango, harness.Stock}
	shims     = [2]string{"containerd-shim-tango-v2", "containerd-shim-runc-v2"}
)

func (s side) String() string { return sideNames[s] }

// both are measured values by side, one for each round.
type both [2][]float64

// order says who goes first in a round: each in turn, so that neither always
// finds what the other left behind.
func order(round int) [2]side {
	if round%2 == 0 {
		return [2]side{tango, stock}
	}
	return [2]side{stock, tango}
}
