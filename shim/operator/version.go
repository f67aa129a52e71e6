package operator

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// Version and Revision are set by the linker where the go command can't know: it
// sees no tags in an unpacked archive.
var (
	Version  string
	Revision string
)

// buildVersion is the version and revision that were linked in, else those that the
// go command stamped in.
func buildVersion() (version, revision string) {
	if Version != "" {
		return Version, cmp.Or(Revision, "unknown")
	}
	version, revision = "dev", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:         "version",
		Usage:        "say which tango this is",
		OnUsageError: usage,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			version, revision := buildVersion()
			_, err := fmt.Fprintf(c.Root().Writer, "tango:\n  Version:  %s\n  Revision: %s\n  Go version: %s\n",
				version, revision, runtime.Version())
			return err
		},
	}
}
