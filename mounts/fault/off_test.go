//go:build !faults

package fault

import "testing"

func TestNothingIsArmed(t *testing.T) {
	if err := Point("anything"); err != nil {
		t.Error(err)
	}
	if err := Point("anything", "said", "of it"); err != nil {
		t.Error(err)
	}
	Here("anything")
}
