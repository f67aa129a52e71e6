package rootfs

import (
	"os"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// nest is a directory that all layers lie below, on its own mount. To find them from there,
// without opening any, takes half as long as to open each by its path: 0.6 instead of 1.0 ms
// for a hundred layers that nobody has looked at for a while.
type nest struct {
	path   string
	dir    *os.File // only a place to look from; whoever has found the nest closes it
	at     place
	below  []string // the layers, relative to it
	layers []place
}

// findNest finds the nest of layers. False says that they have none.
func findNest(layers []string) (n nest, found bool) {
	groups := groupLayers(layers)
	if len(groups) != 1 || groups[0].parent == layers[0] {
		return nest{}, false
	}
	n.path = groups[0].parent
	fd, err := unix.Open(n.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nest{}, false
	}
	n.dir = os.NewFile(uintptr(fd), n.path)
	defer func() {
		if !found {
			n.dir.Close()
		}
	}()
	if n.at, err = placeOf(n.dir); err != nil {
		return nest{}, false
	}
	found = n.find(groups[0].members)
	return n, found
}

// find finds the layers. False says that one is missing, or on another mount.
func (n *nest) find(members []member) bool {
	n.below, n.layers = make([]string, 0, len(members)), make([]place, 0, len(members))
	for _, m := range members {
		at, err := statPlace(int(n.dir.Fd()), m.rel, 0)
		if err != nil || at.mount != n.at.mount {
			return false
		}
		n.below, n.layers = append(n.below, m.rel), append(n.layers, at)
	}
	return true
}

// isBelow tells whether the layers are the same below a mount of the nest: not so where a
// name leads out of it.
func (n *nest) isBelow(m *kernel.Mount) bool {
	for i, name := range n.below {
		at, err := statPlace(m.Fd(), name, 0)
		if err != nil || !at.sameFile(n.layers[i]) {
			return false
		}
	}
	return true
}
