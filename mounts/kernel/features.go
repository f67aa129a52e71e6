package kernel

import "errors"

// What the kernel can do. Since and Source were looked up in the mainline tree.
var (
	// LowerdirPlus: overlayfs takes its layers one by one, so that neither a page
	// nor a colon in a path limits them.
	LowerdirPlus = &Feature{Name: "overlay lowerdir+", Since: "6.7", Source: "24e16e385f22", probe: probeLowerdirPlus}
	// OverlayLayerFD: overlayfs takes layers as open directories.
	OverlayLayerFD = &Feature{Name: "overlay layers by descriptor", Since: "6.13", Source: "a08557d19ef4", probe: probeOverlayLayerFD}
	// OverlayLayerPathFD: the directories may be open with O_PATH only. Stable
	// releases 6.13.11 and 6.14.2 have it, too.
	OverlayLayerPathFD = &Feature{Name: "overlay layers by O_PATH descriptor", Since: "6.15", Source: "0ff053b98a0f", probe: probeOverlayLayerPathFD}
	// OverlayDetachedLayer: a layer may lie on a mount that is attached nowhere.
	OverlayDetachedLayer = &Feature{Name: "overlay layers on detached mounts", Since: "6.15", Source: "db04662e2f4f", probe: probeOverlayDetachedLayer}
	// OverlayIDMappedLayers: a layer may lie on an id-mapped mount.
	OverlayIDMappedLayers = &Feature{Name: "overlay layers on id-mapped mounts", Since: "5.19", Source: "bc70682a497c", probe: probeOverlayIDMappedLayers}
	// DetachedOnDetached: a detached mount may be attached to another one.
	DetachedOnDetached = &Feature{Name: "mounts on detached mounts", Since: "6.15", Source: "21107723831e", probe: probeDetachedOnDetached}
	// OpenTreeAttr: one call clones a tree and sets its properties.
	OpenTreeAttr = &Feature{Name: "open_tree_attr", Since: "6.15", Source: "c4a16820d901", probe: probeOpenTreeAttr}
	// StatMount: statmount and listmount.
	StatMount = &Feature{Name: "statmount", Since: "6.8", Source: "46eae99ef733", probe: probeStatMount}
	// OpenTreeNamespace: open_tree makes a mount namespace of one tree.
	OpenTreeNamespace = &Feature{Name: "OPEN_TREE_NAMESPACE", Since: "7.0", Source: "9b8a0ba68246", probe: probeOpenTreeNamespace}
	// FSMountNamespace: fsmount makes a mount namespace of one filesystem.
	FSMountNamespace = &Feature{Name: "FSMOUNT_NAMESPACE", Since: "7.1", Source: "5e8969bd1927", probe: probeFSMountNamespace}
	// IDMappedMounts: mount_setattr knows MOUNT_ATTR_IDMAP. Whether a given
	// filesystem does is another question, which [Mount.Change] answers.
	IDMappedMounts = &Feature{Name: "id-mapped mounts", Since: "5.12", Source: "9caccd41541a", probe: probeIDMappedMounts}
	// TmpfsIDMap: mounts of tmpfs can be id-mapped.
	TmpfsIDMap = &Feature{Name: "id-mapped tmpfs", Since: "6.3", Source: "7a80e5b8c6fa", probe: probeTmpfsIDMap}
)

// All returns every feature, in order of age.
func All() []*Feature {
	return []*Feature{
		IDMappedMounts, OverlayIDMappedLayers, TmpfsIDMap, LowerdirPlus, StatMount, OverlayLayerFD,
		OverlayLayerPathFD, OverlayDetachedLayer, DetachedOnDetached, OpenTreeAttr, OpenTreeNamespace, FSMountNamespace,
	}
}

// Features are the abilities that decide how root filesystems are made. The zero
// value is the oldest kernel.
type Features struct {
	LowerdirPlus         bool
	OverlayLayerFD       bool
	OverlayDetachedLayer bool
	IDMappedMounts       bool
	OpenTreeAttr         bool
	OpenTreeNamespace    bool
}

// fields pairs what f holds with what is probed for it.
func (f *Features) fields() []field {
	return []field{
		{"LowerdirPlus", LowerdirPlus, &f.LowerdirPlus},
		{"OverlayLayerFD", OverlayLayerFD, &f.OverlayLayerFD},
		{"OverlayDetachedLayer", OverlayDetachedLayer, &f.OverlayDetachedLayer},
		{"IDMappedMounts", IDMappedMounts, &f.IDMappedMounts},
		{"OpenTreeAttr", OpenTreeAttr, &f.OpenTreeAttr},
		{"OpenTreeNamespace", OpenTreeNamespace, &f.OpenTreeNamespace},
	}
}

type field struct {
	name    string
	feature *Feature
	has     *bool
}

// Detect probes what [Features] holds. The error names what could not be found
// out; that is then false in the result, which is usable all the same.
//
// It takes about 0.5 ms on a quiet machine, half of it waiting for an RCU grace
// period to free the filesystems it tried. Many processes that do this at a time
// wait for each other: see [DetectOnce].
func Detect() (Features, error) {
	var f Features
	var errs []error
	for _, p := range f.fields() {
		err := p.feature.Probe()
		*p.has = err == nil
		if err != nil && !errors.Is(err, ErrNotSupported) {
			errs = append(errs, err)
		}
	}
	return f, errors.Join(errs...)
}
