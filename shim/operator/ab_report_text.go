package operator

import (
	"fmt"
	"io"
	"text/tabwriter"
)

const timeLayout = "2006-01-02 15:04 MST"

// verdict says in words what the comparison comes to.
func (c *Comparison) verdict() string {
	for _, p := range c.Phases {
		if p.Name != "create.total" || p.Ratio == nil {
			continue
		}
		switch r := p.Ratio; {
		case !r.clear():
			return fmt.Sprintf("No difference in creates can be told between %s and %s: the ratio of medians is between %.2f and %.2f.", c.Tried, c.Base, r.Low, r.High)
		case r.High < 1:
			return fmt.Sprintf("Creates in arm %s take %.2f times as long as in arm %s (between %.2f and %.2f): %s is faster.", c.Tried, r.Value, c.Base, r.Low, r.High, c.Tried)
		default:
			return fmt.Sprintf("Creates in arm %s take %.2f times as long as in arm %s (between %.2f and %.2f): %s is slower.", c.Tried, r.Value, c.Base, r.Low, r.High, c.Tried)
		}
	}
	return "There are too few creates to compare."
}

// failures says the same of failures.
func (c *Comparison) failures() string {
	a, b := c.Arms[0], c.Arms[1]
	switch {
	case a.RateIn.Low > b.RateIn.High:
		return fmt.Sprintf("Arm %s fails more often than arm %s.", a.Arm, b.Arm)
	case a.RateIn.High < b.RateIn.Low:
		return fmt.Sprintf("Arm %s fails less often than arm %s.", a.Arm, b.Arm)
	}
	return "No difference in failures can be told."
}

// write prints the report for people.
func (c *Comparison) write(w io.Writer) error {
	fmt.Fprintf(w, "%s compared with %s: %s of %s, %s to %s\n\n%s\n%s\n", c.Tried, c.Base,
		count(c.Records, "record"), count(c.Nodes, "node"), c.From.Format(timeLayout), c.To.Format(timeLayout), c.verdict(), c.failures())
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "WARNING: %s\n", warning)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nARM\tNODES\tPODS\tSTARTS\tFAILED\tRATE\t95% INTERVAL\tLAYERS\t")
	for _, a := range c.Arms {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.2f%%\t%.2f%% to %.2f%%\t%.1f\t\n", a.Arm, a.Nodes, a.Pods, a.Starts, a.Failed,
			100*a.Rate, 100*a.RateIn.Low, 100*a.RateIn.High, a.Layers)
	}
	fmt.Fprintf(t, "\nPHASE\t%[1]s\tMEDIAN\t90%%\t99%%\t%[2]s\tMEDIAN\t90%%\t99%%\tRATIO\t95%% INTERVAL\t\n", c.Tried, c.Base)
	for _, p := range c.Phases {
		p.write(t, p.Name, c.unlike(p))
	}
	fmt.Fprintf(t, "\nNODES (create)\t%[1]s\tMEDIAN\t90%%\t99%%\t%[2]s\tMEDIAN\t90%%\t99%%\tRATIO\t95%% INTERVAL\t\n", c.Tried, c.Base)
	for _, s := range c.Strata {
		s.write(t, s.label(), c.unlike(s.PhaseDiff))
	}
	return t.Flush()
}

func (s Stratum) label() string {
	return fmt.Sprintf("%s, Linux %s, %s", count(s.Nodes, "node"), s.Kernel, s.Hardware)
}

// unlike says why a phase of the two arms can't be compared; nothing if it can.
func (c *Comparison) unlike(p PhaseDiff) string {
	switch {
	case c.halfRoot(p.Name):
		return "see their sum"
	case p.Ratio == nil:
		return "too few"
	}
	return ""
}

func (p PhaseDiff) write(w io.Writer, name, unlike string) {
	ratio := "\t" + unlike
	if r := p.Ratio; unlike == "" {
		ratio = fmt.Sprintf("%.2f\t%.2f to %.2f", r.Value, r.Low, r.High)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", name, p.Tried.text(), p.Base.text(), ratio)
}

func (t Times) text() string {
	if t.Count == 0 {
		return "0\t\t\t"
	}
	return fmt.Sprintf("%d\t%s\t%s\t%s", t.Count, tidy(t.Median), tidy(t.P90), tidy(t.P99))
}
