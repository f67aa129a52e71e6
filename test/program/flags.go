package program

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
)

// Ints is a flag of numbers from 1 on, with commas between them.
type Ints []int

func (l *Ints) String() string {
	var words []string
	for _, n := range *l {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

// Set parses "1,50,100".
func (l *Ints) Set(text string) error {
	*l = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return fmt.Errorf("cannot use %q: want numbers from 1 on with commas between them", word)
		}
		*l = append(*l, n)
	}
	return nil
}

// Parse reads a command line that has flags only.
func Parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("cannot use %q: only flags are taken", fs.Args())
	}
	return nil
}
