// Package topology reads from sysfs what a machine's CPUs have in common: NUMA
// nodes, sockets, cores and level 3 caches. How far a lock's cache line travels
// between two of them decides what contended mount work costs.
//
// What [Read] returns never changes. CPUs that come or go later are not seen:
// read again.
//
// When not to use it: to find out which CPUs a thread may run on.
// sched_getaffinity(2) knows that; [Machine.Limits] is the cgroup's part of it.
package topology
