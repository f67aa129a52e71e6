package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// tellInstallation prints what was done, also when it failed half-way, and gives the
// error that the command ends with.
func tellInstallation(w io.Writer, done *Installation, asJSON bool, failed error) error {
	if done == nil {
		return failed
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(done); err != nil {
			return err
		}
	} else if failed == nil {
		if _, err := io.WriteString(w, done.text()); err != nil {
			return err
		}
	}
	if failed == nil && len(done.Steps) > 0 {
		return errSteps
	}
	return failed
}

// text is the account for people.
func (d *Installation) text() string {
	p := &page{}
	for _, c := range d.Changes {
		why := ""
		if c.Why != "" {
			why = ": " + c.Why
		}
		fmt.Fprintf(p, "%-*s %s%s\n", d.column(), d.verb(c.Action), c.Path, why)
	}
	if len(d.Changes) == 0 {
		p.WriteString("nothing is installed\n")
	}
	for _, s := range d.Steps {
		p.WriteByte('\n')
		p.wrap("", "", s.What)
		for _, c := range s.Commands {
			p.verbatim("  ", c)
		}
		if s.Text != "" {
			p.WriteByte('\n')
			p.verbatim("", strings.TrimRight(s.Text, "\n"))
		}
	}
	d.writeRestart(p)
	return p.String()
}

// column is the width of the longest verb.
func (d *Installation) column() int {
	if d.DryRun {
		return len("would replace")
	}
	return len("replaced")
}

// verb says what happened, or would.
func (d *Installation) verb(a Action) string {
	if a == Keep {
		return "as it is"
	}
	if d.DryRun {
		return "would " + string(a)
	}
	return map[Action]string{Create: "created", Replace: "replaced", Remove: "removed"}[a]
}

func (d *Installation) writeRestart(p *page) {
	switch {
	case d.Restarted:
		p.WriteString("\ncontainerd was restarted. Running containers go on.\n")
		return
	case !d.Restart && len(d.Steps) == 0:
		p.WriteString("\ncontainerd need not be restarted.\n")
		return
	case !d.Restart:
		return // the steps say it
	case len(d.Steps) > 0:
		p.WriteString("\nThen restart containerd, which leaves running containers alone.\n")
	default:
		p.WriteString("\ncontainerd must be restarted to see it, which leaves running containers alone.\n")
	}
	if d.Service != "" {
		p.verbatim("  ", "systemctl restart "+quote(d.Service))
	}
}
