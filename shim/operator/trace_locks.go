package operator

import (
	"bufio"
	"os"
	"strings"
	"sync"
)

// knownLocks are global locks that starts of containers wait for. What is not among
// them is shown by its address: most locks are in objects that come and go.
var knownLocks = map[string]bool{
	"namespace_sem": true, "mount_lock": true, "cgroup_mutex": true, "cgroup_threadgroup_rwsem": true,
	"pernet_ops_rwsem": true, "rtnl_mutex": true, "net_rwsem": true, "event_mutex": true, "tasklist_lock": true,
	"sb_lock": true, "shrinker_mutex": true, "pcpu_alloc_mutex": true, "kernfs_rwsem": true, "bpf_verifier_lock": true,
	"vmap_purge_lock": true, "percpu_ref_switch_lock": true, "css_set_lock": true, "inode_hash_lock": true,
}

// lockNames are the names of locks by their address in hexadecimal, as far as the
// kernel lists them (CONFIG_KALLSYMS_ALL).
var lockNames = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return names
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 3 && knownLocks[fields[2]] {
			names[fields[0]] = fields[2]
		}
	}
	return names
})
