package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"
)

// What the command exits with.
const (
	exitFine    = 0
	exitMissing = 1 // something that matters is missing, or the command failed
	exitUsage   = 2
)

// errMissing says that what is missing was reported already.
var errMissing = errors.New("something is missing")

// usageError is what was wrong on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }

// Main runs the command, args[0] being its name, and returns the exit code: 0 if
// all is well, 1 if something that matters is missing or the command failed, 2 if
// it was called wrongly, 3 if an install leaves steps to a person.
func Main(args []string, stdout, stderr io.Writer) int {
	err := command(thisHost, stdout, stderr).Run(context.Background(), args)
	var usage usageError
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errMissing):
		return exitMissing
	case errors.Is(err, errDisabled):
		return exitDisabled
	case errors.Is(err, errSteps):
		return exitSteps
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "tango: %v\nSee: tango help\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "tango: %v\n", err)
		return exitMissing
	}
}

// command is the whole command line. The library's own error texts are kept out
// of the output: Main prints what there is to say, once.
func command(where func() host, stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "tango",
		Usage:     "see and judge what containers start on",
		Writer:    stdout,
		ErrWriter: stderr,
		Commands: []*cli.Command{
			doctorCommand(where), installCommand(where), uninstallCommand(where),
			psCommand(), statsCommand(), topCommand(), abCommand(), traceCommand(), benchCommand(where), exporterCommand(), mountServiceCommand(stderr), versionCommand(),
			manCommand(),
		},
		Action:  unknownCommand,
		Suggest: true,

		OnUsageError:          usage,
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(c *cli.Command) {
			c.Hidden = false
			c.OnUsageError = usage
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
}

func usage(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError{err} }

// unknownCommand is what runs when no subcommand does.
func unknownCommand(_ context.Context, c *cli.Command) error {
	if c.NArg() == 0 {
		return cli.ShowRootCommandHelp(c)
	}
	return usageError{fmt.Errorf("unknown command %q", c.Args().First())}
}

// noArguments refuses what a subcommand has no use for.
func noArguments(c *cli.Command) error {
	if c.NArg() > 0 {
		return usageError{fmt.Errorf("%s takes no argument %q", c.Name, c.Args().First())}
	}
	return nil
}
