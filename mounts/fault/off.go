//go:build !faults

package fault

// Point is a place where an error can be returned. What passes it may be described,
// for the program that a test has run there. Without the build tag "faults" it
// returns nil.
func Point(name string, about ...string) error { return nil }

// Here is a place where nothing can be returned: a test can only hold it up, or
// kill the process there. Without the build tag "faults" it does nothing.
func Here(string) {}
