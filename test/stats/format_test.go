package stats

import "testing"

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 34: "34", 1.234: "1.23", 56.78: "56.8", 123.4: "123", 5123.4: "5,123", 1234567: "1,234,567"} {
		if got := Number(x); got != want {
			t.Errorf("%v is written %q, want %q", x, got, want)
		}
	}
}
