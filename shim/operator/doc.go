// Package operator is the tango command: what the people who run a machine ask
// and are told. It looks and reports; it changes nothing.
//
// Every subcommand gathers facts into one value, which is printed as text or, with
// --json, as it is. What to make of the facts is decided by pure functions.
package operator
