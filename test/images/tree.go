package images

import (
	"archive/tar"
	"maps"
	"slices"
	"strings"
)

// Tree returns what a container of an image with this Config must see, sorted
// by path. A hard link appears as a second file with the content, the owner and
// the attributes of the first and with Link naming it.
func Tree(c Config) ([]Entry, error) {
	layers, err := c.entries()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]Entry)
	for _, layer := range layers {
		hide(seen, layer)
		add(seen, layer)
	}
	tree := slices.Collect(maps.Values(seen))
	slices.SortFunc(tree, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return tree, nil
}

// hide takes from seen what the whiteouts of a layer name. They speak of the
// layers below only, so all of them come before the layer's own files.
func hide(seen map[string]Entry, layer []Entry) {
	for _, e := range layer {
		hidden, opaque, is := e.whiteout()
		if !is {
			continue
		}
		maps.DeleteFunc(seen, func(name string, _ Entry) bool {
			return strings.HasPrefix(name, hidden+"/") || name == hidden && !opaque
		})
	}
}

func add(seen map[string]Entry, layer []Entry) {
	for _, e := range layer {
		if _, _, is := e.whiteout(); is {
			continue
		}
		if e.Type == tar.TypeLink {
			name, target := e.Path, e.Link
			e = seen[target]
			e.Path, e.Link = name, target
		}
		seen[e.Path] = e
	}
}
