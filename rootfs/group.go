package rootfs

import "strings"

// group is a directory and the layers below it that one mount of it reaches.
type group struct {
	parent  string
	members []member
}

// member is a layer of a group.
type member struct {
	index int    // among the layers that were grouped
	rel   string // path below the group's parent; "." is the parent itself
}

// groupLayers chooses directories whose mounts cover all layers, few of them,
// and never "/". Layers are absolute paths. The result is in the order of each
// group's first layer, and every layer is in exactly one group.
//
// Snapshotters keep a layer in <root>/snapshots/N/fs or the like, so the first
// choice is the directory two levels up: unlike the longest common one, it is
// the same for every image, and its mount can be shared.
func groupLayers(layers []string) []group {
	tops := make(map[string]int) // first path element -> index in groups
	var groups []group
	for i, layer := range layers {
		home := layerHome(layer)
		top := firstElement(home)
		if home == layer {
			// Alone: nothing else may be reached through it.
			groups = append(groups, group{parent: layer, members: []member{{index: i}}})
			continue
		}
		at, ok := tops[top]
		if !ok {
			tops[top] = len(groups)
			groups = append(groups, group{parent: home, members: []member{{index: i}}})
			continue
		}
		groups[at].parent = commonDir(groups[at].parent, home)
		groups[at].members = append(groups[at].members, member{index: i})
	}
	for _, g := range groups {
		for j, m := range g.members {
			g.members[j].rel = relativeTo(g.parent, layers[m.index])
		}
	}
	return groups
}

// layerHome is the directory two levels up, or one where that is "/", or the
// layer itself, also where the path cannot be taken apart without looking.
func layerHome(layer string) string {
	if hasDotDot(layer) {
		return layer
	}
	parent := parentDir(layer)
	switch home := parentDir(parent); {
	case home != "/":
		return home
	case parent != "/":
		return parent
	default:
		return layer
	}
}

// parentDir is the directory that a tidy path lies in; "/" lies in itself. To look at a
// hundred layers with path.Dir, which tidies as well, takes 0.1 ms.
func parentDir(p string) string { return p[:max(1, strings.LastIndexByte(p, '/'))] }

func firstElement(p string) string {
	first, _, _ := strings.Cut(p[1:], "/")
	return first
}

// commonDir is the deepest directory that both lie in or are.
func commonDir(a, b string) string {
	for !isWithin(a, b) {
		a = parentDir(a)
	}
	return a
}

// isWithin tells whether p is dir or below it.
func isWithin(dir, p string) bool {
	return dir == "/" || p == dir || strings.HasPrefix(p, dir) && p[len(dir)] == '/'
}

func relativeTo(dir, p string) string {
	switch {
	case p == dir:
		return "."
	case dir == "/":
		return p[1:]
	default:
		return p[len(dir)+1:]
	}
}
