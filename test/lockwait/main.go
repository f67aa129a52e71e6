// Command lockwait shows how long the whole machine waits for the locks of the
// mount table while many containers start and end: with tango and with the stock
// shim, on one private containerd, in turn. It says where in the kernel the waits
// are, and in which programs.
//
//	go run ./lockwait
//	go run ./lockwait -rounds 3 -json lockwait.json
//	go run ./lockwait -bystander
//
// With -bystander it also opens a file again and again, meanwhile, and shows how
// long that took: what the burst does to programs that have no part in it.
package main

import (
	"context"
	"os"

	"tango/test/bystander"
	"tango/test/program"
)

func main() {
	bystander.Main()
	program.Main("lockwait", func(ctx context.Context) error {
		s, err := parseSettings(os.Args[1:])
		if err != nil {
			return err
		}
		return run(ctx, s)
	})
}

func run(ctx context.Context, s settings) error {
	r, err := measure(ctx, s)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if err := program.Save(s.json, r); err != nil {
		return err
	}
	return r.check(s.atMost)
}
