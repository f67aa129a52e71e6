package program

import "time"

// Plural is a word as it is said of n things.
func Plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Milliseconds is the unit of times in reports.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
