// Package mountns makes mount namespaces for containers without copying the
// host's mount table.
//
// A new mount namespace is a copy of its maker's, and the copying is done under
// the kernel's global mount locks: 0.03 ms with 20 mounts, 10 ms with 5,000. So
// the host's table is copied once per host at most, reduced to the dozen mounts
// that starting a container takes, and kept as the Template; every container's
// namespace is a copy of that. Nothing pins the Template: it lives as long as a
// shim has it open, and a new shim takes it over from a running one.
//
// What a container needs of the host beyond the Template, a volume for one, is
// staged: looked up in the host's namespace at the time of the create, and
// attached at a place of its own in the container's copy, still a peer of the
// host's mount, so that propagation works in both directions.
package mountns
