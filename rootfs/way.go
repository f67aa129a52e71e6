package rootfs

import (
	"fmt"
	"strings"

	"tango/mounts/kernel"
)

// Way is how an overlay gets at its layers. All ways give the same files.
type Way int

// The ways, best first. What each needs of the kernel is probed, never guessed
// from its version.
const (
	// WayAuto takes the best way for each overlay.
	WayAuto Way = iota
	// WayDetached opens the layers below a shared mount that is attached
	// nowhere and hands them over as descriptors (Linux 6.15).
	WayDetached
	// WayPrivate attaches the shared mount in a private mount namespace and
	// names the layers one by one (Linux 6.7).
	WayPrivate
	// WayOptions is WayPrivate with all layers in one option string.
	WayOptions
	// WayPlain names the layers where they are; no id-mapping (Linux 6.7).
	WayPlain
	ways
)

var wayNames = [ways]string{"auto", "detached", "private", "options", "plain"}

// String is the way's name in configuration and metrics.
func (w Way) String() string {
	if w < 0 || w >= ways {
		return fmt.Sprintf("Way(%d)", int(w))
	}
	return wayNames[w]
}

// ParseWay finds a way by its name; empty is WayAuto.
func ParseWay(name string) (Way, error) {
	if name == "" {
		return WayAuto, nil
	}
	for w, n := range wayNames {
		if n == name {
			return Way(w), nil
		}
	}
	return 0, fmt.Errorf("cannot use rootfs way %q: it is one of %q", name, wayNames)
}

// choose settles the way for one overlay. A way that was asked for and that the
// kernel cannot go is an error, not a reason to take another.
func (w Way) choose(f kernel.Features, o overlay, m Mapping) (Way, error) {
	switch {
	case w == WayPlain && !m.empty():
		return 0, fmt.Errorf("cannot id-map layers the plain way: use %s", WayAuto)
	case w == WayPlain && !canPlain(f, o):
		return 0, fmt.Errorf("cannot name layers the plain way: needs %s", plainNeed(f))
	case w == WayDetached && !f.OverlayDetachedLayer:
		return 0, needs(w, kernel.OverlayDetachedLayer)
	case w == WayPrivate && !f.LowerdirPlus:
		return 0, needs(w, kernel.LowerdirPlus)
	case w != WayAuto:
		return w, nil
	default:
		return best(f, m.empty() && canPlain(f, o)), nil
	}
}

// Best is what [WayAuto] comes to for an overlay with paths of ordinary length,
// id-mapped or not. Whether layers can be id-mapped is another question, see
// kernel.OverlayIDMappedLayers.
func Best(f kernel.Features, mapped bool) Way { return best(f, !mapped && f.LowerdirPlus) }

func best(f kernel.Features, plain bool) Way {
	switch {
	case plain:
		return WayPlain
	case f.OverlayDetachedLayer:
		return WayDetached
	case f.LowerdirPlus:
		return WayPrivate
	default:
		return WayOptions
	}
}

func needs(w Way, f *kernel.Feature) error {
	return fmt.Errorf("cannot prepare overlay the %s way: needs %s, Linux %s", w, f.Name, f.Since)
}

// canPlain tells whether every path can be handed to fsconfig, as text or as
// descriptor.
func canPlain(f kernel.Features, o overlay) bool {
	return f.LowerdirPlus && (f.OverlayLayerFD || o.longestPath() <= maxFSConfig)
}

func plainNeed(f kernel.Features) string {
	if !f.LowerdirPlus {
		return fmt.Sprintf("%s, Linux %s", kernel.LowerdirPlus.Name, kernel.LowerdirPlus.Since)
	}
	return fmt.Sprintf("%s, Linux %s, for paths of more than %d bytes", kernel.OverlayLayerFD.Name, kernel.OverlayLayerFD.Since, maxFSConfig)
}

// longestPath is what the overlay's longest path takes of an fsconfig value.
func (o overlay) longestPath() int {
	n := max(configLength(o.upper), configLength(o.work))
	for _, list := range [][]string{o.lower, o.data} {
		for _, layer := range list {
			n = max(n, configLength(layer))
		}
	}
	return n
}

// configLength is how long a path is as an fsconfig value, with its backslashes
// doubled.
func configLength(p string) int { return len(p) + strings.Count(p, `\`) }
