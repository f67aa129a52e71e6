// Package kernel wraps the Linux mount calls that tango makes: typed flags,
// owned file descriptors, errors that name the operation and carry what the
// filesystem said, and probes for what the running kernel can do.
//
// Every descriptor made here is close-on-exec and has exactly one owner: an
// [FSContext], a [Mount] or a [Namespace]. Close is idempotent on all of them.
// Using a closed one gives an [*Error] that wraps EBADF. One value must not be
// used and closed at the same time by two goroutines.
//
// The package knows nothing of containers and makes no policy: it does not
// choose targets, does not clean up attached mounts, and does not fall back
// from one call to another. What to do on an old kernel is for the caller, who
// asks [Detect], [DetectOnce] or a [Feature].
//
// When not to use it: for reading the host's mount table. [List] and [Stat]
// answer for single mounts; a walk over a table of thousands queues on the same
// lock (namespace_sem) as every mount call of the machine.
//
// Most calls need CAP_SYS_ADMIN in the user namespace that owns the calling
// thread's mount namespace.
package kernel
