// Package userns makes user namespaces to map the owners of files with
// (id-mapped mounts), without leaving a process in them.
package userns
