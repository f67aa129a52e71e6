// Package telemetry tells how containers' creates, starts, execs and deletes
// went, off the path of any of them.
//
//	shim: Recorder ─▶ Sender ── datagram ─▶ <rundir>/telemetry.sock ─▶ Collector
//	                                                                     │ counters, histograms
//	                          tango ps, top, exporter ◀── stats.sock ────┤
//	                          tango trace, ab report ◀── records/*.jsonl ┘
//
// A shim makes one [Record] of each operation and sends it after the answer. Where
// nobody listens, records are dropped and counted; nothing waits for anything. One
// process per host, the host's service, runs [Serve].
//
// Every shim links this package, so it is made of what a shim has anyway. What
// Prometheus takes is in the tango command.
package telemetry
