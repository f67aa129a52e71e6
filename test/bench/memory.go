package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tango/test/harness"
	"tango/test/sides"
)

// memory measures the shims of many idle pods. What one process does for all
// pods of the host is shared out among them.
func (b *bench) memory(ctx context.Context) error {
	var pss, rss sides.Samples
	title := fmt.Sprintf("memory of shims, %d pods", b.pods)
	for _, s := range sides.Two {
		usages, err := b.memoryOf(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		for _, u := range usages {
			pss[s], rss[s] = append(pss[s], u.pss), append(rss[s], u.rss)
		}
	}
	b.progress.step(title, b.pods, b.pods, pss, "MiB")
	b.report.add(row{ID: "memory.pss", Title: fmt.Sprintf("PSS of shims and service per pod, %d pods", b.pods), Unit: "MiB"}, pss)
	b.report.add(row{ID: "memory.rss", Title: "RSS of the shim", Unit: "MiB"}, rss)
	return nil
}

// usage is the memory of a process in MiB.
type usage struct{ pss, rss float64 }

// memoryOf runs pods of one side and returns what their shims use.
func (b *bench) memoryOf(ctx context.Context, s sides.Side) (usages []usage, retErr error) {
	var pods []*harness.Container
	defer func() {
		retErr = errors.Join(retErr, b.forget(context.WithoutCancel(ctx), pods), b.quiet(context.WithoutCancel(ctx)))
	}()
	for i := range b.pods {
		spec := b.spec(s)
		spec.ID = fmt.Sprintf("memory-%s-%03d", s, i)
		pod, err := b.node.Run(ctx, spec)
		if err != nil {
			return nil, err
		}
		pods = append(pods, pod)
	}
	select {
	case <-time.After(b.settle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return b.readMemory(s)
}

// readMemory reads the memory of the shims that memoryOf has caused.
func (b *bench) readMemory(s sides.Side) ([]usage, error) {
	serving, err := b.node.Shims()
	if err != nil {
		return nil, err
	}
	shared := 0.0
	if s == sides.Tango {
		if shared, err = b.sharedMemory(); err != nil {
			return nil, err
		}
	}
	var usages []usage
	for _, p := range serving {
		if !strings.Contains(p.Command, fmt.Sprintf("-id memory-%s-", s)) {
			continue
		}
		u, err := memoryOfProcess(p.PID)
		if err != nil {
			return nil, err
		}
		u.pss += shared / float64(b.pods)
		usages = append(usages, u)
	}
	if len(usages) != b.pods {
		return nil, fmt.Errorf("found %d shims of %d pods", len(usages), b.pods)
	}
	return usages, nil
}

// sharedMemory is what the processes use that serve all shims of the host, in MiB.
func (b *bench) sharedMemory() (pss float64, _ error) {
	services, err := b.node.Services()
	for _, p := range services {
		u, err := memoryOfProcess(p.PID)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // has become a pod's shim, or has ended
		}
		if err != nil {
			return 0, err
		}
		pss += u.pss
	}
	return pss, err
}

// memoryOfProcess reads smaps_rollup, which counts in KiB.
func memoryOfProcess(pid int) (u usage, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(data)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kib); n == 1 {
			u.pss = kib / 1024
		}
		if n, _ := fmt.Sscanf(line, "Rss: %f kB", &kib); n == 1 {
			u.rss = kib / 1024
		}
	}
	if u.pss == 0 || u.rss == 0 {
		return u, fmt.Errorf("cannot read the memory of process %d", pid)
	}
	return u, nil
}
