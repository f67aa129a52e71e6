// Package container runs containers and their processes with libcontainer inside
// this process: no runc, no helper that outlives a call. It is the only package
// that knows libcontainer.
//
// libcontainer was written for a program that does one thing and exits. What a
// daemon has to do differently is in here: it never depends on the working
// directory, never waits for children that aren't its own, gives libcontainer a
// mount namespace that is ready, and keeps one libcontainer object for the life
// of a container and takes fresh ones for everything that runs beside it.
package container
