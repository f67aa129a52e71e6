// Package remote has root filesystems built by the mount service: the mounts are
// made by its worker for the NUMA node, in batches with those of all other
// containers of the host, and come back as descriptors of detached trees, which the
// caller attaches where they belong.
//
//	caller                                  service
//	  | Build: the plan, as mounts             |
//	  |--------------------------------------->|  worker: layers' parent (shared),
//	  |           detached trees [fds], a turn |          overlay, binds, ...
//	  |<---------------------------------------|
//	  | attaches them, under the turn          |
//
// [Builder] is the service's side, [Build] the caller's. Mounts of layers' parents
// with their owners mapped live in the Builder: one for each parent and mapping,
// for all containers of the host.
//
// When not to use it: for a plan whose paths mean something else to the service
// than to the caller, or for mounts that would be able to do something else, since
// the two have different mount namespaces, capabilities or security labels. The
// Builder refuses those, and the caller builds for itself.
package remote
