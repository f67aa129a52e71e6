// Package worker runs mount work in batches, on one thread per NUMA node, one
// node at a time.
//
// The kernel serialises mount work of the whole machine on a few locks. Who
// fights over them from all CPUs at once pays for carrying the locks' cache lines
// between sockets, and makes every path lookup on the machine pay with him. So
// [Workers] has one [Worker] for each node, with a thread pinned to the node's
// CPUs, and a [Turn] that passes from node to node only after a batch. What only
// frees things waits in a [Lane] until nobody waits for anything else.
//
// On a machine of one node there is no turn to take, and what remains is a queue
// in front of a thread.
//
// When not to use it: for work that starts processes. A child inherits the
// thread's CPUs, and dies with it if it asked to (Pdeathsig). Nor for work that
// waits for other work of the same worker.
package worker
