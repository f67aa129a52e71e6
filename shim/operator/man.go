package operator

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// manCommand writes the manual page, for those who pack this command.
func manCommand() *cli.Command {
	return &cli.Command{
		Name:         "man",
		Usage:        "print the manual page",
		Hidden:       true,
		OnUsageError: usage,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return writeManual(c.Root().Writer, c.Root())
		},
	}
}

// roff is a manual page under construction.
type roff struct{ strings.Builder }

// text writes words that roff must not take for its own.
func (r *roff) text(s string) {
	for line := range strings.Lines(s) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\n"), `\`, `\e`)
		line = strings.ReplaceAll(line, "-", `\-`)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		if line == "" {
			line = ".PP"
		}
		r.WriteString(line + "\n")
	}
}

func (r *roff) macro(name, s string) {
	r.WriteString("." + name + " ")
	r.text(s + "\n")
}

// writeManual renders the command and its subcommands as they describe themselves.
func writeManual(w io.Writer, root *cli.Command) error {
	r := &roff{}
	version, _ := buildVersion()
	fmt.Fprintf(r, ".TH TANGO 8 \"\" \"tango %s\" \"System Administration\"\n", version)
	r.macro("SH", "NAME")
	r.text(root.Name + " - " + root.Usage)
	r.macro("SH", "SYNOPSIS")
	r.macro("B", root.Name)
	r.text("COMMAND [OPTION]...")
	r.macro("SH", "COMMANDS")
	for _, c := range root.Commands {
		if !c.Hidden && c.Name != "help" {
			r.command(c)
		}
	}
	r.macro("SH", "SEE ALSO")
	r.text("containerd(8)")
	_, err := io.WriteString(w, r.String())
	return err
}

// command is one subcommand: what it is for, what it says of itself, its flags.
func (r *roff) command(c *cli.Command) {
	r.macro("SS", c.Name)
	usage := strings.TrimSpace(c.Usage)
	if usage != "" {
		r.text(strings.ToUpper(usage[:1]) + usage[1:] + ".")
	}
	if c.Description != "" {
		r.WriteString(".PP\n")
		r.text(c.Description)
	}
	for _, f := range c.Flags {
		r.flag(f)
	}
	for _, sub := range c.Commands {
		if !sub.Hidden && sub.Name != "help" {
			sub := *sub
			sub.Name = c.Name + " " + sub.Name
			r.command(&sub)
		}
	}
}

// flag is one option, as help has it: its names, then what it does.
func (r *roff) flag(f cli.Flag) {
	names, usage, _ := strings.Cut(f.String(), "\t")
	r.WriteString(".TP\n")
	r.macro("B", strings.TrimSpace(names))
	r.text(strings.TrimSpace(usage))
}
