package rootfs

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A fuzzed document holds mounts parted by mountSep, their type, source, target
// and options by fieldSep.
const (
	mountSep = "\n---\n"
	fieldSep = "\n"
)

func decodeMounts(doc string) []Mount {
	var ms []Mount
	for part := range strings.SplitSeq(doc, mountSep) {
		fields := strings.Split(part, fieldSep)
		for len(fields) < 3 {
			fields = append(fields, "")
		}
		ms = append(ms, Mount{Type: fields[0], Source: fields[1], Target: fields[2], Options: fields[3:]})
	}
	return ms
}

// FuzzParse checks that no input makes Parse panic, that Parse leaves its input
// alone, and that a plan rendered and parsed again is the same plan. The corpus
// in testdata is what containerd's snapshotters hand over.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, doc string) {
		ms, before := decodeMounts(doc), decodeMounts(doc)
		plan, err := Parse(ms)
		if !reflect.DeepEqual(ms, before) {
			t.Fatalf("input changed: %q, was %q", ms, before)
		}
		if err != nil {
			if err.Error() == "" || len(plan.steps) != 0 {
				t.Fatalf("got %v with plan %+v", err, plan)
			}
			return
		}
		rendered := plan.Mounts()
		again, err := Parse(rendered)
		if err != nil {
			t.Fatalf("cannot parse %q again, rendered as %q: %v", doc, rendered, err)
		}
		if !reflect.DeepEqual(again, plan) {
			t.Fatalf("%q: rendered as %q\ngot  %+v\nwant %+v", doc, rendered, again, plan)
		}
		checkGroups(t, plan)
	})
}

// checkGroups checks that the plan's layers are grouped, each once, below
// parents that are not the root directory.
func checkGroups(t *testing.T, plan Plan) {
	for _, s := range plan.steps {
		o, ok := s.body.(overlay)
		if !ok {
			continue
		}
		layers := slices.Concat(o.lower, o.data)
		seen := make([]bool, len(layers))
		for _, g := range groupLayers(layers) {
			for _, m := range g.members {
				if seen[m.index] || g.parent == "/" && layers[m.index] != "/" {
					t.Fatalf("layer %q is in a wrong group %+v", layers[m.index], g)
				}
				seen[m.index] = true
				if back := joinRel(g.parent, m.rel); back != layers[m.index] {
					t.Fatalf("layer %q became %q", layers[m.index], back)
				}
			}
		}
		if slices.Contains(seen, false) {
			t.Fatalf("not every layer of %q is in a group", layers)
		}
	}
}

func joinRel(parent, rel string) string {
	if rel == "." {
		return parent
	}
	return parent + "/" + rel
}
