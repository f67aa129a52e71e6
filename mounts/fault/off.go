//go:build !faults

package fault

// Point is a place where an error can be returned. Without the build tag
// "faults" it returns nil.
func Point(string) error { return nil }

// Here is a place where nothing can be returned: a test can only hold it up, or
// kill the process there. Without the build tag "faults" it does nothing.
func Here(string) {}
