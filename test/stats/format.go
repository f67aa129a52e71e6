package stats

import (
	"fmt"
	"math"
)

// String is the median with the spread, "34 (30-41)".
func (s Summary) String() string {
	return fmt.Sprintf("%s (%s-%s)", Number(s.Median), Number(s.P10), Number(s.P90))
}

// String is the estimate with the interval, "0.45 [0.41, 0.50]"; "-" for nil.
func (i *Interval) String() string {
	if i == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f]", i.Value, i.Low, i.High)
}

// Number writes a value with three digits that count.
func Number(x float64) string {
	switch {
	case x == math.Trunc(x) && math.Abs(x) < 1000:
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) < 10:
		return fmt.Sprintf("%.2f", x)
	case math.Abs(x) < 100:
		return fmt.Sprintf("%.1f", x)
	default:
		return Thousands(int(math.Round(x)))
	}
}

// Thousands writes a number with commas.
func Thousands(n int) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
