// Package fault marks the places at which tests let things go wrong. A point is
// a line of code:
//
//	if err := fault.Point("create.rootfs"); err != nil {
//		return err
//	}
//
// In every build that people run it is nothing at all: without the build tag
// "faults" the calls are inlined and gone. With the tag, a directory that is named
// at link time says which point goes wrong, and how; `make chaos` (test/chaos)
// writes that directory and reads from it what came of it, and `make conformance`
// (test/conformance) has programs in it that points run.
//
// Do not put a point where an error cannot be returned: that is what [Here] is for.
package fault
