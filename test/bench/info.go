package main

import (
	"context"
	"fmt"
	"time"

	"tango/test/program"
	"tango/test/sides"
)

// infos measures what containerd asks a shim for when it looks at a runtime:
// its name, version and abilities.
func (b *bench) infos(ctx context.Context) error {
	title := "shim -info"
	columns, err := b.compare(ctx, sides.Two, title, "ms", b.usual(), func(ctx context.Context, s sides.Side) ([]float64, error) {
		shim, err := b.node.Tool(s.Shim())
		if err != nil {
			return nil, err
		}
		took, err := b.info(ctx, shim)
		return []float64{took}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "info", Title: title, Unit: "ms"}, columns[0])
	return nil
}

// info runs a shim with -info.
func (b *bench) info(ctx context.Context, shim string) (float64, error) {
	cmd := b.node.InfoCommand(ctx, shim)
	began := time.Now()
	out, err := cmd.Output()
	took := program.Milliseconds(time.Since(began))
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("cannot use the answer of %s -info: it is empty", shim)
	}
	return took, err
}
