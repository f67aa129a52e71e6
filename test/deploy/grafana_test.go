package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/prometheus/prometheus/promql/parser"
)

// readDashboard decodes what Grafana's own types know, the panels' options included,
// and nothing else.
func readDashboard(data []byte) (d dashboard.Dashboard, _ error) {
	plugins.RegisterDefaultPlugins()
	// Strictly it tells what is wrong, and an empty list for nothing, which it takes
	// for an error itself and leaves panels out.
	err := new(dashboard.Dashboard).UnmarshalJSONStrict(data)
	var problems cog.BuildErrors
	if errors.As(err, &problems) && len(problems) == 0 {
		err = nil
	}
	return d, errors.Join(err, json.Unmarshal(data, &d), d.Validate())
}

// TestDashboard holds the dashboard against Grafana's types, and its queries against
// Prometheus' parser. That it asks for metrics that there are, shim/operator tests.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile("../../deploy/grafana/tango.json")
	if err != nil {
		t.Fatal(err)
	}
	d, err := readDashboard(data)
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, p := range d.Panels {
		if p.Panel == nil {
			continue // a row, whose panels follow it
		}
		for _, target := range p.Panel.Targets {
			q, ok := target.(*prometheus.Dataquery)
			if !ok {
				t.Errorf("%s: a query of type %T", *p.Panel.Title, target)
				continue
			}
			queries++
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(q.Expr); err != nil {
				t.Errorf("%s: %v in %s", *p.Panel.Title, err, q.Expr)
			}
		}
	}
	if queries < 20 {
		t.Errorf("%d queries", queries)
	}
}

// TestDashboardIsHeld changes the dashboard so that Grafana would not understand it.
func TestDashboardIsHeld(t *testing.T) {
	data, err := os.ReadFile("../../deploy/grafana/tango.json")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{`"gridPos"`: `"gridPosition"`, `"schemaVersion": `: `"schemaVersion": "x", "y": `, `"expr"`: `"expression"`} {
		broken := bytes.Replace(data, []byte(from), []byte(to), 1)
		if bytes.Equal(broken, data) {
			t.Fatalf("no %s in it", from)
		}
		if _, err := readDashboard(broken); err == nil {
			t.Errorf("%s instead of %s is no error", to, from)
		}
	}
}
