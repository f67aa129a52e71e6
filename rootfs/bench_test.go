package rootfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tango/mounts/kernel"
)

// BenchmarkPrepare makes and gives back id-mapped root filesystems of many
// layers; the shared mount is kept between them.
func BenchmarkPrepare(b *testing.B) {
	f, err := kernel.Detect()
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 50, 100} {
		plan, others := benchPlan(b, b.TempDir(), n)
		for _, way := range []Way{WayDetached, WayPrivate, WayOptions} {
			b.Run(fmt.Sprint(way, "/", n), func(b *testing.B) {
				p := New(Config{Features: f, Way: way})
				defer p.Close()
				keep, err := p.Prepare(context.Background(), others)
				if err != nil {
					b.Fatal(err)
				}
				defer keep.Close()
				for b.Loop() {
					r, err := p.Prepare(context.Background(), plan)
					if err != nil {
						b.Fatal(err)
					}
					r.Close()
				}
			})
		}
	}
}

// benchPlan makes n layers, and two plans of them with an upper directory each.
func benchPlan(b *testing.B, root string, n int) (plan, others Plan) {
	b.Helper()
	var layers []string
	for i := range n {
		layers = append(layers, filepath.Join(root, "s", fmt.Sprint(i), "fs"))
	}
	for _, dir := range append(layers[:n:n], root+"/s/x/fs", root+"/s/x/work", root+"/s/y/fs", root+"/s/y/work") {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	plans := make([]Plan, 2)
	for i, up := range []string{root + "/s/x", root + "/s/y"} {
		var err error
		plans[i], err = Parse([]Mount{overlayOf(append(mapped[:2:2], "workdir="+up+"/work", "upperdir="+up+"/fs", "lowerdir="+strings.Join(layers, ":"))...)})
		if err != nil {
			b.Fatal(err)
		}
	}
	return plans[0], plans[1]
}
