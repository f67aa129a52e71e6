// Command demo starts many containers of an image of many layers, each in its
// own user namespace, through tango and then through the stock shim, on a
// private containerd, and prints the two side by side.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"tango/test/harness"
	"tango/test/images"
	"tango/test/program"
)

// settings are what the command line can change.
type settings struct {
	containers  int // how many to start
	layers      int // of their image
	concurrency int // how many are started at once
}

func (s settings) check() error {
	if s.containers < 1 || s.layers < 1 || s.concurrency < 1 {
		return errors.New("-containers, -layers and -concurrency must be at least 1")
	}
	return nil
}

func main() {
	var s settings
	flag.IntVar(&s.containers, "containers", 100, "how many containers to start")
	flag.IntVar(&s.layers, "layers", 50, "how many layers their image has")
	flag.IntVar(&s.concurrency, "concurrency", 16, "how many to start at once")
	flag.Parse()
	program.Main("demo", func(ctx context.Context) error { return run(ctx, s) })
}

// run is the demo from nothing to nothing. When ctx ends it takes everything
// away and returns without an error.
func run(ctx context.Context, s settings) (retErr error) {
	if err := s.check(); err != nil {
		return err
	}
	step("starting a private containerd")
	n, err := harness.Start(ctx, harness.Options{LikeNode: true})
	if err != nil {
		return err
	}
	defer func() {
		step("taking everything away")
		retErr = errors.Join(retErr, n.Close())
		if ctx.Err() != nil && retErr == nil {
			fmt.Println("interrupted; nothing is left")
		}
	}()
	fmt.Printf("  %s\n", n.Dir())
	results, err := both(ctx, n, s)
	if ctx.Err() != nil {
		return nil // what failed did so because of the interruption
	}
	if err != nil {
		return err
	}
	printComparison(os.Stdout, s, results[0], results[1])
	return nil
}

// both runs the burst with each runtime, tango first.
func both(ctx context.Context, n *harness.Node, s settings) (results [2]result, err error) {
	step(fmt.Sprintf("making and importing an image of %d layers", s.layers))
	began := time.Now()
	image, err := n.Image(ctx, images.Config{Layers: s.layers})
	if err != nil {
		return results, err
	}
	fmt.Printf("  %s, unpacked in %.1f s\n", image.Name(), time.Since(began).Seconds())
	for i, runtime := range []string{harness.Tango, harness.Stock} {
		err := n.InTurn(runtime, func() (err error) {
			results[i], err = burst(ctx, n, s, image, runtime)
			return err
		})
		if err != nil {
			return results, fmt.Errorf("%s: %w", runtime, err)
		}
	}
	return results, nil
}

// step says what is done next.
func step(what string) { fmt.Printf("==> %s\n", what) }
