package main

import "strings"

// exemptions are tests that pass with the reference only because its shim
// starts a runc process, by test name, with the reason.
var exemptions = map[string]string{
	"TestContainerRuntimeOptionsv2": "wants an error because the runc binary named in BinaryName does not exist; here that option is accepted and starts nothing (TestBinaryName of test/integration)",
	"TestIssue9103":                 "its failure is injected by the program runc-fp, named in BinaryName, in runc's place; TestInitKilledBeforeStart of test/integration injects it without",
	"TestIssue10589":                "its delays are made by the program runc-fp, named in BinaryName, in runc's place; TestExecStartedWhileInitDies of test/integration makes them without",
}

// exempt returns why a test, or its parent, need not pass; "" if it must.
func exempt(test string) string {
	top, _, _ := strings.Cut(test, "/")
	return exemptions[top]
}

// splitExempt parts the tests that must pass from those that need not: without
// a runc process to fail or to wait, the latter can hang and hold up others.
func splitExempt(tests []string) (must, exempted []string) {
	for _, t := range tests {
		if exempt(t) == "" {
			must = append(must, t)
		} else {
			exempted = append(exempted, t)
		}
	}
	return must, exempted
}
