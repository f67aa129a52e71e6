package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/snapshots"
)

// settleTimeout is how long what is taken away off the caller's path (shims
// that end after their last container, sockets, cgroups) may stay.
var settleTimeout = patient(time.Minute)

// Leaks lists what is left of containers: it is empty when every container was
// deleted and nothing was forgotten. Looked at are mounts (in every mount
// namespace of the machine), processes, cgroups, directories of bundles and of
// the runtime's state, sockets, snapshots and tasks.
func (n *Node) Leaks(ctx context.Context) ([]string, error) {
	var found []string
	for _, look := range []func(context.Context) ([]string, error){
		n.leakedTasks, n.leakedProcesses, n.leakedCgroups, n.leakedMounts, n.leakedFiles, n.leakedSnapshots,
	} {
		some, err := look(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot look for leaks: %w", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

// Settle waits until nothing is left of deleted containers, and returns what
// still is after a while.
func (n *Node) Settle(ctx context.Context) ([]string, error) {
	deadline := time.Now().Add(settleTimeout)
	for {
		found, err := n.Leaks(ctx)
		if err != nil || len(found) == 0 || time.Now().After(deadline) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func (n *Node) leakedTasks(ctx context.Context) ([]string, error) {
	if n.Client() == nil {
		return nil, nil
	}
	containers, err := n.Client().Containers(n.Context(ctx))
	var found []string
	for _, c := range containers {
		found = append(found, "container "+c.ID())
	}
	return found, err
}

func (n *Node) leakedProcesses(context.Context) ([]string, error) {
	processes, err := n.Processes()
	var found []string
	for _, p := range processes {
		if !IsService(p) {
			found = append(found, fmt.Sprintf("process %d: %s", p.PID, p.Command))
		}
	}
	return found, err
}

// IsService reports whether a process is the host service, or a shim that it has
// started beforehand: they end by themselves some time after their last user.
func IsService(p Process) bool {
	return IsHostService(p) || strings.Contains(p.Command, " warm ")
}

// IsHostService reports whether a process is the host service itself.
func IsHostService(p Process) bool { return strings.Contains(p.Command, " service ") }

func (n *Node) leakedCgroups(context.Context) ([]string, error) {
	found, err := n.Cgroups()
	for i := range found {
		found[i] = "cgroup " + found[i]
	}
	return found, err
}

// leakedMounts looks into every mount namespace: a mount that the host does not
// see can still be held by a process somewhere.
func (n *Node) leakedMounts(context.Context) ([]string, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	var found []string
	for _, dir := range dirs {
		namespace, err := os.Readlink(filepath.Join(dir, "ns/mnt"))
		if err != nil || seen[namespace] {
			continue // ended meanwhile, or a kernel thread
		}
		seen[namespace] = true
		entries, err := mountinfo(filepath.Join(dir, "mountinfo"))
		if err != nil {
			continue
		}
		for _, m := range entries {
			if strings.Contains(m.line, n.dir+"/") && !n.isOwn(m) {
				found = append(found, fmt.Sprintf("mount in %s of process %s: %s", namespace, filepath.Base(dir), m.line))
			}
		}
	}
	return found, nil
}

// leakedFiles looks where containerd, shims and runtimes keep what belongs to
// one container each.
func (n *Node) leakedFiles(context.Context) ([]string, error) {
	patterns := []string{
		"state/io.containerd.runtime.v2.task/" + Namespace + "/*",
		"root/io.containerd.runtime.v2.task/" + Namespace + "/*",
		"run/runtime/*", "run/runtime/" + Namespace + "/*", "tmp/*",
	}
	// The stock shim leaves its socket when it is killed, and at times when
	// the pod's first container is deleted before the others.
	if n.options.Runtime != Stock {
		patterns = append(patterns, "s/*")
	}
	var found []string
	for _, pattern := range patterns {
		names, err := filepath.Glob(n.path(pattern))
		if err != nil {
			return nil, err
		}
		names = slices.DeleteFunc(names, func(name string) bool { return name == n.path("run/runtime/"+Namespace) })
		for _, name := range names {
			found = append(found, "file "+name)
		}
	}
	return found, nil
}

func (n *Node) leakedSnapshots(ctx context.Context) ([]string, error) {
	if n.Client() == nil {
		return nil, nil
	}
	var found []string
	err := n.Client().SnapshotService(Snapshotter).Walk(n.Context(ctx), func(_ context.Context, info snapshots.Info) error {
		if info.Kind != snapshots.KindCommitted {
			found = append(found, "snapshot "+info.Name)
		}
		return nil
	})
	if err != nil {
		err = errors.Join(errors.New("cannot list snapshots"), err)
	}
	return found, err
}
