package operator

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/urfave/cli/v3"
)

const doctorDescription = `Looks at this machine: what its kernel can do and so how root filesystems
are made, what its sockets and caches mean for containers that start in
bursts, its cgroups, and containerd's configuration. What is missing is
named with the command that mends it. Nothing is changed.

For Node Feature Discovery, --nfd /etc/kubernetes/node-feature-discovery/features.d/tango
makes labels of the findings, from tango.containerd.io/contention (best, middle,
worst) to tango.containerd.io/ready.

Exit codes: 0 all is well, 1 something that matters is missing, 2 usage.`

func doctorCommand(where func() host) *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "examine this machine, and say what is missing",
		Description: doctorDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the findings as JSON"},
			&cli.StringFlag{Name: "nfd", Usage: "write labels for Node Feature Discovery into `FILE` (- is standard output) instead", TakesFile: true},
			&cli.StringFlag{Name: "config", Usage: "containerd's configuration `FILE`", Value: where().config, TakesFile: true},
		},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if c.String("nfd") != "" && c.Bool("json") {
				return usageError{errors.New("--nfd and --json exclude each other")}
			}
			h := where()
			h.config = c.String("config")
			r, err := h.examine(ctx)
			if err != nil {
				return err
			}
			if file := c.String("nfd"); file != "" {
				err = r.writeNFD(c.Root().Writer, file)
			} else {
				err = printReport(c.Root().Writer, r, c.Bool("json"))
			}
			if err != nil {
				return err
			}
			if r.count(Missing) > 0 {
				return errMissing
			}
			return nil
		},
	}
}

func printReport(w io.Writer, r *Report, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(w, r.text())
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
