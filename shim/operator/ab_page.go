package operator

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed ab_page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"tidy":    tidy,
	"percent": func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) },
	"times":   func(v float64) string { return fmt.Sprintf("%.2f", v) },
	"date":    func(t time.Time) string { return t.Format(timeLayout) },
	"op":      func(name string) string { op, _, _ := strings.Cut(name, "."); return op },
	"side":    side,
	"count":   count,
	"results": resultsText,
	"half":    (*Comparison).halfRoot,
	"unlike":  (*Comparison).unlike,
}).Parse(pageSource))

// pageData is what the page shows.
type pageData struct {
	*Comparison
	Verdict  string
	Failures string
	Curves   []curvePlot
	Forest   forestPlot
	Strata   forestPlot
	Made     time.Time
}

// plottedPhases have curves of their own, where there are data.
var plottedPhases = []string{"create.total", "create.rootfs", "create.place", wholeRoot, "create.init", "start.total", "exec.total"}

// writePage writes the comparison as one page that needs nothing else, in one step.
func writePage(file string, c *Comparison) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tango-report-")
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(page)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return os.Rename(f.Name(), file)
}

// page renders it.
func (c *Comparison) page() ([]byte, error) {
	d := pageData{Comparison: c, Verdict: c.verdict(), Failures: c.failures(), Made: time.Now()}
	var strata []PhaseDiff
	for _, s := range c.Strata {
		s.Name = s.label()
		strata = append(strata, s.PhaseDiff)
	}
	shown := slices.DeleteFunc(slices.Clone(c.Phases), func(p PhaseDiff) bool { return c.halfRoot(p.Name) })
	d.Forest, d.Strata = newForest(shown), newForest(strata)
	for _, name := range plottedPhases {
		for _, p := range shown {
			if p.Name == name && p.Ratio != nil {
				d.Curves = append(d.Curves, newCurve(p, c.Tried, c.Base))
			}
		}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, d); err != nil {
		return nil, fmt.Errorf("cannot write the report: %w", err)
	}
	return b.Bytes(), nil
}

// resultsText are the numbers of all results, the most frequent first.
func resultsText(results map[string]int) string {
	names := slices.SortedFunc(maps.Keys(results), func(a, b string) int {
		return cmp.Or(cmp.Compare(results[b], results[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, results[name])
	}
	return strings.Join(names, ", ")
}

// side says on which side of 1 a ratio is, as a class of the page.
func side(r *Ratio) string {
	switch {
	case r == nil || !r.clear():
		return "same"
	case r.High < 1:
		return "better"
	}
	return "worse"
}
