package main

import (
	"slices"
	"strings"
)

// injected are the tests that have failures injected by runc-fp in runc's place. tango has
// no runc to replace: they run on a build of its shim that runs runc-fp at fault points.
var injected = []string{"TestIssue9103", "TestIssue10589"}

// isInjected tells whether a test, or its parent, is one of them.
func isInjected(test string) bool {
	top, _, _ := strings.Cut(test, "/")
	return slices.Contains(injected, top)
}

// splitInjected parts the tests for the shim that people run from those for the other.
func splitInjected(tests []string) (plain, injected []string) {
	for _, t := range tests {
		if isInjected(t) {
			injected = append(injected, t)
		} else {
			plain = append(plain, t)
		}
	}
	return plain, injected
}
