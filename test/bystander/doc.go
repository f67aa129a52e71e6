// Package bystander is a program that has no part in what is measured: it opens a
// file again and again, and tells how long it had to wait.
//
// A measuring program is its own bystander: it calls Main first, and Start executes
// it once more.
package bystander
