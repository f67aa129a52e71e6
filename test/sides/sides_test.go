package sides

import (
	"slices"
	"testing"
)

// TestOrder wants everybody to be first equally often.
func TestOrder(t *testing.T) {
	three := []Side{Tango, Stock, Crun}
	for round, want := range [][]Side{{Tango, Stock, Crun}, {Stock, Crun, Tango}, {Crun, Tango, Stock}, {Tango, Stock, Crun}} {
		if got := Order(three, round); !slices.Equal(got, want) {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
	}
	if !slices.Equal(three, []Side{Tango, Stock, Crun}) {
		t.Error("the argument was changed")
	}
}
