package figures

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"

	"tango/test/stats"
)

// RoundTicks are at multiples of 1, 2, 2.5 or 5 times a power of ten, about six of
// them, with labels as short as they can be.
type RoundTicks struct{}

// Ticks returns the ticks from low to high.
func (RoundTicks) Ticks(low, high float64) []plot.Tick {
	step := roundStep((high - low) / 6)
	var ticks []plot.Tick
	for i := int(math.Ceil(low/step - 1e-9)); float64(i)*step <= high*(1+1e-9); i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * step, Label: TickLabel(float64(i) * step)})
	}
	return ticks
}

// roundStep returns the least round number that is at least x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if x <= factor*power*(1+1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// TickLabel writes a number beside an axis.
func TickLabel(x float64) string {
	if x >= 1000 {
		return stats.Thousands(int(math.Round(x)))
	}
	return strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64)
}
