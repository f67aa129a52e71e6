package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"tango/shim/telemetry"
)

const abReportDescription = `Compares the arms of a rollout by the records of one or many nodes: files of JSON
lines from the run directories' records/ (any of them, in any order), http or
https addresses of such files, or - for the standard input.

For each phase: how long it took in each arm, and the ratio of the medians with a
95 % interval by bootstrap; failure rates with their intervals; the same for each
kernel and class of hardware. It warns where the data can't carry a conclusion.

Exit codes: 0; 1 failed, or there is nothing to compare; 2 usage.`

// fetchTimeout is for one address.
const fetchTimeout = 5 * time.Minute

func abReportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "compare the arms by records of many nodes", ArgsUsage: "FILE|URL...", Description: abReportDescription,
		Flags: []cli.Flag{
			jsonFlag("print the comparison as JSON"),
			&cli.StringFlag{Name: "html", Usage: "also write a page with plots to `FILE`", TakesFile: true},
			&cli.StringFlag{Name: "base", Usage: "the `ARM` that others are compared with", Value: "control"},
		},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.NArg() == 0 {
				return usageError{errors.New("report takes files or addresses of records")}
			}
			data, err := gather(ctx, c.Args().Slice())
			if err != nil {
				return err
			}
			r, err := compare(data, c.String("base"))
			if err != nil {
				return err
			}
			if file := c.String("html"); file != "" {
				if err := writePage(file, r); err != nil {
					return err
				}
			}
			return show(c, r)
		},
	}
}

// gathered are the records to compare.
type gathered struct {
	records []telemetry.Record
	sources int
	bad     int // lines that were no records
	twins   int // records that came twice
}

// dropTwins leaves one of each record: people give a file twice, and rotated files
// under two names. What is told twice would make intervals too narrow.
func (g *gathered) dropTwins() {
	type identity struct {
		node, container, exec, op string
		at                        int64
	}
	seen := map[identity]bool{}
	g.records = slices.DeleteFunc(g.records, func(r telemetry.Record) bool {
		id := identity{r.Node, r.Container, r.Exec, r.Op, r.Time.UnixNano()}
		twin := seen[id]
		seen[id] = true
		if twin {
			g.twins++
		}
		return twin
	})
}

func gather(ctx context.Context, names []string) (*gathered, error) {
	g := &gathered{sources: len(names)}
	for _, name := range names {
		r, err := openSource(ctx, name)
		if err != nil {
			return nil, err
		}
		bad, err := telemetry.Read(r, func(record telemetry.Record) { g.records = append(g.records, record) })
		_ = r.Close()
		g.bad += bad
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", name, err)
		}
	}
	return g, nil
}

func openSource(ctx context.Context, name string) (io.ReadCloser, error) {
	switch {
	case name == "-":
		return io.NopCloser(os.Stdin), nil
	case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
		return download(ctx, name)
	}
	return os.Open(name)
}

func download(ctx context.Context, address string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", address, err)
	}
	client := http.Client{Timeout: fetchTimeout}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("cannot read %s: %s", address, resp.Status)
	}
	return resp.Body, nil
}
