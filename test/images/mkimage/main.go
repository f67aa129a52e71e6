// Command mkimage writes a test image as an OCI archive that containerd's
// `ctr images import` takes.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"

	"tango/test/images"
)

func main() {
	var c images.Config
	flag.StringVar(&c.Name, "name", "", "full reference of the image (default tango.test/layers:N)")
	flag.IntVar(&c.Layers, "layers", 50, "number of layers, the base among them")
	flag.StringVar(&c.Busybox, "busybox", images.Busybox, "a static busybox")
	out := flag.String("o", "", "file to write, replaced if it exists")
	flag.Parse()
	if err := run(*out, c); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %s, %d layers\n", *out, c.Ref(), c.Layers)
}

func run(out string, c images.Config) error {
	if out == "" {
		return errors.New("no file to write: give -o FILE")
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(images.Write(w, c), w.Flush(), f.Close())
}
