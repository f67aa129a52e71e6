package operator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"
)

// benchName is the program that measures. It is one of its own since it holds
// containerd's client and what draws pictures, which nothing else here needs.
const benchName = "tango-bench"

const benchDescription = `Measures, on this machine's own containerd, how tango does beside the runtime that
is there: starts, execs, bursts, memory, cost over what runs already, both in turn in
every round. It prints a table of medians, spreads and ratios with their confidence
intervals, and concludes nothing where the noise is larger than the difference;
-json FILE keeps all samples, -plots DIR draws pictures.

Everything happens in a namespace of its own in containerd, which is taken away at
the end, also after Ctrl-C. The flags are told by: tango bench -help

  tango bench -quick
  tango bench -image registry.example.com/shop:7 -plots pictures
  tango bench -against-binary crun -spec config.json -- sleep 1000

Exit codes: 0; 1 failed; 130 interrupted.`

func benchCommand(h func() host) *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "measure tango beside the runtime that is there", ArgsUsage: "[FLAGS] [-- COMMAND...]", Description: benchDescription,
		SkipFlagParsing: true,
		Action: func(_ context.Context, c *cli.Command) error {
			program, err := findBench(h().self)
			if err != nil {
				return err
			}
			args := append([]string{program, "node"}, c.Args().Slice()...)
			if err := unix.Exec(program, args, os.Environ()); err != nil {
				return fmt.Errorf("cannot execute %s: %w", program, err)
			}
			return nil
		},
	}
}

// findBench finds the measuring program beside this command, or in PATH.
func findBench(self string) (string, error) {
	beside := filepath.Join(self, benchName)
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot execute %s: %w", beside, err)
	}
	program, err := exec.LookPath(benchName)
	if err != nil {
		return "", fmt.Errorf("cannot find %s beside this command or in PATH: it is in the release and in the package, and made by: make build", benchName)
	}
	return program, nil
}
