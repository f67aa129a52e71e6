package operator

import (
	"os"
	"strings"
	"testing"

	"tango/mounts/kernel"
	"tango/mounts/topology/sysfstest"
)

// bare is a machine with everything against it: two sockets, SMT, an old kernel,
// cgroups of v1, and nothing installed.
func bare() fixture {
	return fixture{
		machine: sysfstest.TwoSockets(),
		mounts:  mountV1, init: "init",
		files: map[string]string{
			"sys/kernel/cgroup/features": features,
			"proc/cpuinfo":               "processor\t: 0\nflags\t\t: fpu hypervisor rdtscp",
		},
		programs: map[string]string{"dnf": ""},
		lacks:    kernel.All(),
	}
}

// half is a machine on the way: systemd and v2 on two sockets, containerd 1.7 with
// a configuration that does not know tango.
func half() fixture {
	f := good()
	f.machine = sysfstest.TwoSockets()
	f.mounts = mountV2
	f.config = "version = 2\nimports = ['conf.d/*.toml']\n[plugins.'io.containerd.grpc.v1.cri']\n"
	f.programs["containerd"] = `echo "containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da"`
	f.lacks = []*kernel.Feature{kernel.OpenTreeNamespace, kernel.FSMountNamespace, kernel.OverlayDetachedLayer}
	return f
}

func denied() fixture {
	f := good()
	f.machine = sysfstest.Plain()
	f.denied = true
	return f
}

func TestGolden(t *testing.T) {
	for name, f := range map[string]fixture{"good": good(), "half": half(), "bare": bare(), "denied": denied()} {
		t.Run(name, func(t *testing.T) {
			got := f.examine(t).text()
			for line := range strings.Lines(got) {
				line = strings.TrimSuffix(line, "\n")
				if len([]rune(line)) > width || strings.TrimRight(line, " ") != line {
					t.Errorf("line too long or with blanks at its end: %q", line)
				}
			}
			file := "testdata/" + name + ".txt"
			if *update {
				writeFile(t, file, got, 0o644)
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s\n(go test -update writes it anew)", got, want)
			}
		})
	}
}

func TestFindingsInOrder(t *testing.T) {
	r := bare().examine(t)
	if r.count(Missing) == 0 || r.count(Choice) == 0 {
		t.Fatalf("%+v", r.Findings)
	}
	for i, f := range r.Findings {
		if want := Missing; i < r.count(Missing) && f.Level != want {
			t.Errorf("finding %d is a %s", i, f.Level)
		}
	}
	if r := good().examine(t); len(r.Findings) != 0 {
		t.Errorf("findings on a good machine: %+v", r.Findings)
	}
}
