package operator

import (
	"tango/mounts/kernel"
	"tango/rootfs"
)

// Ways are how root filesystems of overlays are made on this kernel: names of
// package rootfs's ways, or one of the two below.
type Ways struct {
	// Plain is without a user namespace.
	Plain string `json:"plain"`
	// UserNamespace is with id-mapped layers.
	UserNamespace string `json:"userNamespace"`
}

const (
	wayNone    = "none"    // not on this kernel
	wayUnknown = "unknown" // the kernel could not be asked
)

// wayMeanings say what the ways do.
var wayMeanings = map[rootfs.Way]string{
	rootfs.WayDetached: "layers opened below one shared, id-mapped mount that is attached nowhere",
	rootfs.WayPrivate:  "layers named one by one below a shared mount in a private namespace",
	rootfs.WayOptions:  "layers in one option string below a shared mount in a private namespace",
	rootfs.WayPlain:    "layers named one by one where they are, no mount but the overlay's own",
}

// waysOf is what [rootfs.WayAuto] comes to.
func waysOf(k Kernel) Ways {
	for _, f := range []*kernel.Feature{kernel.OverlayDetachedLayer, kernel.LowerdirPlus, kernel.IDMappedMounts, kernel.OverlayIDMappedLayers} {
		if k.answer(f) == Unknown {
			return Ways{Plain: wayUnknown, UserNamespace: wayUnknown}
		}
	}
	f := kernel.Features{OverlayDetachedLayer: k.has(kernel.OverlayDetachedLayer), LowerdirPlus: k.has(kernel.LowerdirPlus)}
	w := Ways{Plain: rootfs.Best(f, false).String(), UserNamespace: wayNone}
	if k.has(kernel.IDMappedMounts) && k.has(kernel.OverlayIDMappedLayers) {
		w.UserNamespace = rootfs.Best(f, true).String()
	}
	return w
}

// wayMeaning says what the named way does.
func wayMeaning(name string) string {
	for way, meaning := range wayMeanings {
		if way.String() == name {
			return meaning
		}
	}
	return map[string]string{
		wayNone:    "this kernel can't id-map layers",
		wayUnknown: "the kernel could not be asked",
	}[name]
}
