package mountns

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tango/mounts/kernel"
	"tango/mounts/pidref"
)

// registry knows who on this host holds a template with the same mounts.
type registry struct{ dir pidref.Dir }

// openRegistry names the template by the namespace it was made from and what is
// in it: containerds with their state on different filesystems, and tests in
// namespaces of their own, have different ones.
func openRegistry(runDir string, holders []string) (registry, error) {
	host, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		return registry{}, err
	}
	key := sha256.Sum256([]byte(host + "\x00" + strings.Join(holders, "\x00")))
	return registry{pidref.Dir(filepath.Join(runDir, "mnt", fmt.Sprintf("%x", key[:8])))}, nil
}

// find takes over a running template in which need can still be seen, and
// becomes one of its holders.
func (r registry) find(need []string) *Template {
	f := r.dir.Open(func(*os.File) bool { return true })
	if f == nil {
		return nil
	}
	ns, err := kernel.AdoptNamespace(f)
	if err != nil {
		return nil
	}
	t, err := newTemplate(ns)
	if err != nil {
		return nil
	}
	for _, path := range need {
		if same, err := t.shows(path); err != nil || !same {
			_ = t.Close()
			return nil
		}
	}
	remove, err := r.add(ns)
	if err != nil {
		_ = t.Close()
		return nil
	}
	t.unregister, t.registry = remove, r
	return t
}

// add makes this process a holder.
func (r registry) add(ns *kernel.Namespace) (remove func(), _ error) {
	return r.dir.Add(os.Getpid(), fmt.Sprintf("fd/%d", ns.Fd()), ns.File())
}
