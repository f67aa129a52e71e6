package container

import (
	"cmp"
	"slices"
	"strings"
)

// staged is a source that libcontainer finds elsewhere than the spec says.
type staged struct{ found, asked string }

// sourceNames are the staged sources of a container.
type sourceNames []staged

func (n *sourceNames) add(found, asked string) {
	if found != asked {
		*n = append(*n, staged{found, asked})
	}
}

// restore gives the sources in an error's text the names that the spec has for
// them.
func (n sourceNames) restore(err error) error {
	if err == nil || len(n) == 0 {
		return err
	}
	byLength := slices.SortedFunc(slices.Values(n), func(a, b staged) int {
		return cmp.Compare(len(b.found), len(a.found)) // one may be the beginning of another
	})
	text := err.Error()
	for _, s := range byLength {
		text = strings.ReplaceAll(text, s.found, s.asked)
	}
	return &renamedError{error: err, text: text}
}

// renamedError is an error with another text.
type renamedError struct {
	error
	text string
}

func (e *renamedError) Error() string { return e.text }

func (e *renamedError) Unwrap() error { return e.error }
