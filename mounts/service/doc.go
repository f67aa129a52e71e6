// Package service offers one process's mount workers to the other processes of a
// host, over a socket that only root reaches, so that all mount work of the host
// goes through one worker per NUMA node.
//
// A connection carries one request after the other, and belongs to one task: when
// it is closed, by its owner or by his death, what he asked for is dropped, what
// was made for him is closed, and the turn that he leased is given back.
//
// The service is an optimisation and never a dependency: a [Client] does the work
// in its own process where the service can't be reached, has died, or does not
// answer in time.
//
//	client                                  server
//	  | request (lease, work, stats) [fds]     |  one at a time; work may end
//	  |                                        |  with a lease
//	  |--------------------------------------->|  limit: how long it may take
//	  |                          reply [fds]   |
//	  |<---------------------------------------|
//	  | release                                |  of a lease; has no reply
//	  |--------------------------------------->|
//	  x close                                  |  drops everything
//
// When not to use it: for work whose result outlives its descriptors. A client
// that has given up can't take it back.
package service
