// Command tango is for the people who run a machine: see tango help.
package main

import (
	"os"

	"tango/shim/operator"
)

func main() {
	os.Exit(operator.Main(os.Args, os.Stdout, os.Stderr))
}
