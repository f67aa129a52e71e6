package bootstrap

import (
	"fmt"
	"io"
	"runtime"
)

// Version and Revision are stamped by the linker (-X); see the Makefile.
var (
	Version  = "dev"
	Revision = "unknown"
)

func printVersion(w io.Writer, name string) error {
	_, err := fmt.Fprintf(w, "%s:\n  Version:  %s\n  Revision: %s\n  Go version: %s\n\n",
		name, Version, Revision, runtime.Version())
	return err
}
