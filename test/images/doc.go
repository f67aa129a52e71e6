// Package images makes container images for tests and measurements: busybox as
// the base and any number of small layers above it, with what tells a right
// root filesystem from a wrong one: whiteouts, opaque directories, hard links,
// extended attributes, set-user-ID files and many owners.
//
// The same [Config] always gives the same bytes. [Tree] says what a container
// must see, so that a test can compare without a second implementation.
//
// Do not use it for images that are to be published: names, times and owners
// are chosen for tests alone.
package images
