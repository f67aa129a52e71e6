package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tango/test/vm/job"
)

// matrix runs the chosen machines and groups, and prints what came of it.
func matrix(ctx context.Context, o options, root string) error {
	if err := checkHost(); err != nil {
		return err
	}
	rows, err := o.rows()
	if err != nil {
		return err
	}
	chosen, err := chooseGroups(o)
	if err != nil {
		return err
	}
	start := time.Now()
	return inScratch(o.cache, func(scratch string) error {
		p, err := makePayload(ctx, root, scratch, chosen)
		if err != nil {
			return err
		}
		guests, err := prepare(ctx, o, rows, p, scratch)
		if err != nil {
			return err
		}
		fmt.Printf("ready after %.0f s: %d guests, %d at once, KVM %t\n", time.Since(start).Seconds(), len(guests), o.jobs, kvm())
		results := runAll(ctx, o, guests)
		return conclude(os.Stdout, o, p, chosen, results, time.Since(start))
	})
}

// chooseGroups returns the groups that the command line asks for.
func chooseGroups(o options) ([]group, error) {
	if o.groups != "" {
		var chosen []group
		for name := range strings.SplitSeq(o.groups, ",") {
			i := slices.IndexFunc(groups, func(g group) bool { return g.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("no test group %q; -list prints all", name)
			}
			chosen = append(chosen, groups[i])
		}
		return chosen, nil
	}
	return slices.DeleteFunc(slices.Clone(groups), func(g group) bool { return o.Short && !g.Short }), nil
}

// prepare brings kernels and disk to the cache and makes the guests.
func prepare(ctx context.Context, o options, rows []machine, p *payload, scratch string) ([]*guest, error) {
	disk, err := getDisk(ctx, o)
	if err != nil {
		return nil, err
	}
	qemu, err := getEmulator(ctx, o)
	if err != nil {
		return nil, err
	}
	images := map[string]image{}
	var guests []*guest
	for _, m := range rows {
		if _, ok := images[m.Kernel]; !ok {
			if images[m.Kernel], err = getImage(ctx, o, m.Kernel); err != nil {
				return nil, err
			}
		}
		g := &guest{machine: m, qemu: qemu, image: images[m.Kernel], disk: disk, payload: p, limit: o.timeout}
		g.tests = m.choose(p.tests, strings.Fields(o.args))
		g.Append += " " + o.append
		g.dir = filepath.Join(scratch, m.Name)
		guests = append(guests, g)
	}
	return guests, nil
}

// choose returns the tests that a machine runs, with more arguments.
func (m machine) choose(tests []job.Test, more []string) []job.Test {
	var chosen []job.Test
	for _, t := range tests {
		if !m.runs(t.Group) || m.leaves(t.Package) {
			continue
		}
		t.Args = slices.Clone(t.Args)
		if m.Run != nil && t.Group == "integration" {
			t.Args = append(t.Args, only(m.Run))
		}
		if names := leftOut[t.Group]; names != nil && m.Run != nil {
			t.Args = append(t.Args, "-test.skip=^("+strings.Join(names, "|")+")$")
		}
		t.Args = append(t.Args, more...)
		if !kvm() {
			t.Args = append(t.Args, "-test.short")
			t.Env = append(slices.Clone(t.Env), paceOfTests()...)
		}
		chosen = append(chosen, t)
	}
	return chosen
}

// paceOfTests tells tests to be patient and to share containerds where CPUs are
// emulated, and Go to use no more of them at once than the host has: one that
// spins there takes the core from one that works.
func paceOfTests() []string {
	return []string{
		"TANGO_TEST_PATIENCE=4", "TANGO_TEST_REUSE=1",
		fmt.Sprintf("GOMAXPROCS=%d", runtime.NumCPU()),
	}
}

// runs says whether a machine runs a group.
func (m machine) runs(group string) bool {
	return m.Groups == nil || slices.Contains(m.Groups, group)
}

// leaves says whether a machine leaves a package to others.
func (m machine) leaves(pkg string) bool {
	return slices.ContainsFunc(m.Less, func(end string) bool { return strings.HasSuffix(pkg, "/"+end) })
}

// longestFirst is the order to boot guests in, by their indices: one with many tests,
// begun last, would be waited for alone.
func longestFirst(guests []*guest) []int {
	order := make([]int, len(guests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(guests[b].tests) - len(guests[a].tests) })
	return order
}

// runAll boots all guests, a few at once. Where one is booted twice, both results are
// in the row's place.
func runAll(ctx context.Context, o options, guests []*guest) []result {
	results := make([][]result, len(guests))
	slots := make(chan struct{}, max(1, o.jobs))
	var wg sync.WaitGroup
	for _, i := range longestFirst(guests) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = guests[i].runTwice(ctx, o.logs)
		})
	}
	wg.Wait()
	return slices.Concat(results...)
}

// run boots a guest, keeps its logs, and tells of it when it ends.
func (g *guest) run(ctx context.Context, logs string) result {
	start := time.Now()
	err := os.MkdirAll(g.dir, 0o755)
	if err == nil {
		err = g.boot(ctx)
	}
	r := readResult(ctx, g, err, time.Since(start))
	fmt.Println(r.line())
	if err := g.keepLogs(logs); err != nil {
		fmt.Fprintln(os.Stderr, "vm: cannot keep logs:", err)
	}
	return r
}

// keepLogs copies a guest's console and events to the log directory.
func (g *guest) keepLogs(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		copyLog(g.console(), filepath.Join(dir, g.Name+".console")),
		copyLog(g.events(), filepath.Join(dir, g.Name+".events")))
}

func copyLog(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
