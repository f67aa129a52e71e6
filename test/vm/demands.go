package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"tango/test/vm/job"
)

// demands are the tests that a kind of machine is there for, by the last element
// of their package's name. Elsewhere they may skip what they do not find; there that
// is a failure.
var demands = []struct {
	of    func(m job.Machine) bool
	pkg   string
	tests []string
}{
	{
		func(m job.Machine) bool { return m.Cgroup == 2 }, "integration",
		[]string{"TestOOM", "TestStats", "TestMemoryEvents", "TestPressure", "TestUnifiedResources", "TestOnlyUnified"},
	},
	{
		severalNodes, "integration",
		[]string{
			"TestMemoryNodes", "TestMemoryNodeHasTheMountWork", "TestMemoryPolicy", "TestCPUsOfANode", "TestMountService",
			"TestSupervisedMountService",
		},
	},
	{severalNodes, "worker", []string{"TestMountCallsComeFromTheTurnsNode", "TestNodesThatCannotWork"}},
	{severalNodes, "remote", []string{"TestBatches"}},
	{func(job.Machine) bool { return true }, "rootfs", []string{"TestLoop"}}, // the guest has the module
	{func(m job.Machine) bool { return m.Kernel != "6.1" }, "sealed", []string{"TestEnlargePages"}},
	{
		func(m job.Machine) bool { return m.Systemd }, "integration",
		[]string{"TestSystemdCgroup", "TestUnits"},
	},
	{
		func(m job.Machine) bool { return m.AppArmor }, "integration",
		[]string{"TestAppArmor", "TestAppArmorOfAnExec", "TestAppArmorUnknownProfile"},
	},
	{func(m job.Machine) bool { return m.SELinux }, "integration", []string{"TestSELinuxLabel", "TestSELinuxDenies"}},
}

// severalNodes says whether there is a choice of memory.
func severalNodes(m job.Machine) bool { return m.Nodes-m.EmptyNodes > 1 }

// demandTests fails what was skipped on a machine that is there for it.
func (r *result) demandTests(m job.Machine) {
	for _, d := range demands {
		if !d.of(m) {
			continue
		}
		for _, t := range r.Groups {
			for _, skipped := range t.Skips {
				pkg, test, _ := strings.Cut(skipped, " ")
				name, _, _ := strings.Cut(test, "/")
				if strings.HasSuffix(pkg, "/"+d.pkg) && slices.Contains(d.tests, name) {
					t.fail(skipped+": skipped", "this machine is there for it")
				}
			}
		}
	}
}

// printSkips names what was skipped, and where.
func printSkips(w io.Writer, results []result) {
	var names []string
	where := map[string][]string{}
	for _, r := range results {
		for _, t := range r.Groups {
			for _, name := range t.Skips {
				if where[name] == nil {
					names = append(names, name)
				}
				where[name] = append(where[name], r.Machine)
			}
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	fmt.Fprintln(w, "\nskipped, since the machine, or its kernel, has not what is tested:")
	for _, name := range names {
		slices.Sort(where[name])
		fmt.Fprintf(w, "%s: %s\n", strings.TrimPrefix(name, "tango/"), strings.Join(where[name], " "))
	}
}
