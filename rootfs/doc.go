// Package rootfs turns what a snapshotter hands over into a container's root
// filesystem, made of detached mounts that are attached nowhere until
// [Rootfs.Attach].
//
// [Parse] is pure: it reads the mounts into an immutable [Plan]. A [Preparer]
// makes a [Rootfs] of a Plan, by one of several ways ([Way]) that give the same
// files. What id-mapped layers need is one read-only, id-mapped mount of the
// layers' common parent, shared by everything the Preparer makes and given back
// to the kernel, off the caller's path, when its last user is gone.
//
// The package knows layers, not containers: it neither starts processes nor
// decides where a root filesystem goes.
//
// When not to use it: for bind mounts of volumes, for /proc, /dev and the rest
// that a container's specification asks for.
package rootfs
