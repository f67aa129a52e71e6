package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// infos measures what containerd asks a shim for when it looks at a runtime:
// its name, version and abilities.
func (b *bench) infos(ctx context.Context) error {
	var programs [2]string
	for s, name := range shims {
		var err error
		if programs[s], err = b.node.Tool(name); err != nil {
			return err
		}
	}
	title := "shim -info"
	columns, err := b.rounds(ctx, title, "ms", b.warmup, b.settings.rounds, func(ctx context.Context, s side) ([]float64, error) {
		took, err := b.info(ctx, programs[s])
		return []float64{took}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "info", Title: title, Unit: "ms"}, columns[0])
	return nil
}

// info runs a shim with -info, with the stock runtime in its path.
func (b *bench) info(ctx context.Context, program string) (float64, error) {
	runc, err := b.node.Tool("runc")
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program, "-info")
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(runc)+":"+os.Getenv("PATH"))
	began := time.Now()
	out, err := cmd.Output()
	took := milliseconds(time.Since(began))
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("cannot use the answer of %s -info: it is empty", program)
	}
	return took, err
}
