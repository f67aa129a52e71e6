// Package task is the Task service that containerd talks to: requests in,
// containers driven, events and containerd's errors out.
package task
