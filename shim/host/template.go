package host

import (
	"os"

	"tango/mounts/mountns"
)

// OpenTemplate opens the host's template for containers' mount namespaces, which shows
// where bundles are and, as soon as that is known, where snapshots are made: a root
// filesystem is made and attached by one call only where its layers can be seen, and
// many a node has those on a disk of their own. The caller closes it.
func OpenTemplate(runDir, bundles string) (*mountns.Template, error) {
	if dir, err := os.Readlink(snapshotsLink(runDir)); err == nil {
		if t, err := mountns.Open(runDir, bundles, dir); err == nil {
			return t, nil
		}
	}
	return mountns.Open(runDir, bundles)
}
