// Package host is the host service: one process of this binary that does for all
// shims of a host what each would otherwise have to do for itself.
//
//   - It keeps what shims share for a while when no shim is there to do it: the
//     sealed binary that shims run from, and the template of containers' mount
//     namespaces.
//   - It answers start, delete and -info for the processes that containerd executes
//     (package relay).
//   - It keeps a shim or a few started up beforehand, which only need to be told
//     whom to serve.
//
// The first shim of a host starts it; it ends by itself when it has been alone for
// some time. Nothing depends on it: it may be killed at any moment, and what it
// would have done is then done by who asked for it. Whatever holds for it, holds for
// one binary in one set of namespaces: another version has a service of its own.
package host
