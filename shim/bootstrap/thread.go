package bootstrap

import "runtime"

// The first thread stays with the main goroutine for good. Everything below
// /proc/self is about the first thread, and libcontainer moves the thread that it
// happens to run on into containers' mount namespaces: were that ever the first
// one, this process would read a container's mountinfo for its own.
func init() { runtime.LockOSThread() }
