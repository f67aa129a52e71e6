package hostile

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// attack is an image and a spec that mean harm.
type attack struct {
	name string
	evil func(t *testing.T, upper string, c *canary) // changes the image
	spec func(c *canary, volume string) harness.Spec
	// refused says that no container may come of it. Else it may, as with the
	// stock runtime.
	refused bool
	// own says that the container fails with either, each in its own way.
	own bool
}

// mountAt bind mounts the volume at a place of the image, and lists it.
func mountAt(place string) func(*canary, string) harness.Spec {
	return func(_ *canary, volume string) harness.Spec {
		return harness.Spec{
			Args: sh("cat " + place + "/marker; ls -A / | tr '\\n' ' '"),
			OCI:  edit(func(s *oci.Spec) { s.Mounts = append(s.Mounts, rbind(volume, place)) }),
		}
	}
}

func rbind(source, target string) specs.Mount {
	return specs.Mount{Source: source, Destination: target, Type: "bind", Options: []string{"rbind", "rw"}}
}

func plain(script string) func(*canary, string) harness.Spec {
	return func(*canary, string) harness.Spec { return harness.Spec{Args: sh(script)} }
}

// link puts a symbolic link into the image.
func link(place string, target func(c *canary) string) func(*testing.T, string, *canary) {
	return func(t *testing.T, upper string, c *canary) {
		at := filepath.Join(upper, place)
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		must(t, os.Symlink(target(c), at))
	}
}

func to(target string) func(*canary) string { return func(*canary) string { return target } }

func node(place string, mode uint32, dev int) func(*testing.T, string, *canary) {
	return func(t *testing.T, upper string, _ *canary) {
		must(t, syscall.Mknod(filepath.Join(upper, place), mode, dev))
	}
}

func regular(place string) func(*testing.T, string, *canary) {
	return func(t *testing.T, upper string, _ *canary) {
		must(t, os.WriteFile(filepath.Join(upper, place), []byte("a file\n"), 0o644))
	}
}

func nothing(*testing.T, string, *canary) {}

const nullDevice = 1<<8 | 3

var attacks = []attack{
	{name: "mount point is an absolute link to the host", evil: link("mnt", func(c *canary) string { return c.dir }), spec: mountAt("/mnt")},
	{name: "mount point goes up", evil: link("mnt", func(c *canary) string { return strings.Repeat("../", 30) + c.dir }), spec: mountAt("/mnt")},
	{name: "parent of the mount point is a link to the host", evil: link("mnt", func(c *canary) string { return c.dir }), spec: mountAt("/mnt/inner")},
	{name: "mount point named with dots", evil: nothing, spec: mountAt("/../../../../tmp/../mnt")},
	{name: "mount point dangles", evil: link("mnt", to("/no/such/place")), spec: mountAt("/mnt")},
	{name: "mount point is a link to itself", evil: link("mnt", to("/mnt")), spec: mountAt("/mnt"), refused: true},
	{name: "mount point is a fifo", evil: node("mnt", syscall.S_IFIFO|0o644, 0), spec: mountAt("/mnt"), refused: true},
	{name: "mount point is a device", evil: node("mnt", syscall.S_IFCHR|0o666, nullDevice), spec: mountAt("/mnt"), refused: true},
	{name: "mount point is a file", evil: regular("mnt"), spec: mountAt("/mnt"), refused: true},
	{name: "mount point in a magic link", evil: link("mnt", to("/proc/self/fd")), spec: mountAt("/mnt/7"), refused: true},
	{name: "name of 256 bytes", evil: nothing, spec: mountAt("/" + strings.Repeat("n", 256)), refused: true},
	{name: "path of 4096 bytes", evil: nothing, spec: mountAt(strings.Repeat("/"+strings.Repeat("n", 127), 32)), refused: true},
	{name: "name of 255 bytes", evil: nothing, spec: mountAt("/" + strings.Repeat("n", 255))},

	// CVE-2019-16884, CVE-2023-27561, CVE-2025-52881: what is written to /proc must be /proc.
	{name: "proc is a link to the host", evil: replace("proc", link("proc", func(c *canary) string { return c.dir })), spec: plain("true")},
	{name: "proc is a link inside", evil: replace("proc", link("proc", to("/tmp"))), spec: plain("cat /proc/self/comm")},
	{name: "proc is a file", evil: replace("proc", regular("proc")), spec: plain("true"), refused: true},
	{name: "sys is a link to the host", evil: replace("sys", link("sys", func(c *canary) string { return c.dir })), spec: plain("true")},
	{name: "sys is a file", evil: replace("sys", regular("sys")), spec: plain("true"), refused: true},
	{name: "dev is a link to the host", evil: replace("dev", link("dev", func(c *canary) string { return c.dir })), spec: plain("true")},
	{name: "proc is a link, and a sysctl is set", evil: replace("proc", link("proc", to("/tmp"))), spec: func(*canary, string) harness.Spec {
		return harness.Spec{Args: sh("true"), OCI: edit(func(s *oci.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} })}
	}},
	{name: "proc is the image's, and a sysctl leads to a volume", evil: link("proc/sys/net/ipv4/ip_forward", to("/mnt/secret")), spec: func(c *canary, _ string) harness.Spec {
		return harness.Spec{Args: sh("ls /proc"), OCI: edit(func(s *oci.Spec) {
			s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/proc" })
			s.Mounts = append(s.Mounts, rbind(c.dir, "/mnt"))
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		})}
	}},
	{name: "volume over proc", evil: nothing, spec: mountAt("/proc"), refused: true},
	{name: "volume in proc", evil: nothing, spec: mountAt("/proc/tty"), refused: true},
	{name: "volume in proc by a link", evil: link("mnt", to("/proc")), spec: mountAt("/mnt/tty"), refused: true},

	// CVE-2025-31133: what masks a path must be the null device.
	{name: "null is a link to the host", evil: func(t *testing.T, upper string, c *canary) {
		link("dev/null", func(c *canary) string { return filepath.Join(c.dir, "secret") })(t, upper, c)
	}, spec: func(*canary, string) harness.Spec {
		return harness.Spec{Args: sh("cat /proc/keys; true"), OCI: edit(withoutDev)}
	}},
	{name: "null is a link to proc", evil: link("dev/null", to("/proc/version")), spec: func(*canary, string) harness.Spec {
		return harness.Spec{Args: sh("cat /proc/keys"), OCI: edit(withoutDev)}
	}, refused: true},
	// CVE-2025-52565: the console is a terminal of the container's, and nothing else.
	{name: "console is a link inside", evil: link("dev/console", to("/etc/hostname")), spec: func(*canary, string) harness.Spec {
		return harness.Spec{Args: sh("test -c /etc/hostname && echo reached"), Terminal: true, OCI: edit(withOwnDev)}
	}, refused: true},
	{name: "console is a link to the host", evil: link("dev/console", func(c *canary) string { return filepath.Join(c.dir, "secret") }),
		spec: func(*canary, string) harness.Spec {
			return harness.Spec{Args: sh("test -c /dev/console && echo terminal"), Terminal: true, OCI: edit(withoutDev)}
		}},
	// CVE-2019-5736: what executes itself must not reach the runtime's binary for writing.
	{name: "program executes the runtime", evil: func(t *testing.T, upper string, _ *canary) {
		must(t, os.MkdirAll(filepath.Join(upper, "bin"), 0o755))
		must(t, os.Symlink("/proc/self/exe", filepath.Join(upper, "bin/evil")))
	}, spec: func(*canary, string) harness.Spec { return harness.Spec{Args: []string{"/bin/evil", "init"}} }},
	{name: "interpreter is the runtime", own: true, evil: func(t *testing.T, upper string, _ *canary) {
		must(t, os.MkdirAll(filepath.Join(upper, "bin"), 0o755))
		must(t, os.WriteFile(filepath.Join(upper, "bin/evil"), []byte("#!/proc/self/exe\n"), 0o755))
	}, spec: func(*canary, string) harness.Spec { return harness.Spec{Args: []string{"/bin/evil"}} }},

	{name: "set-user-ID with no new privileges", evil: setuidBusybox, spec: asUser(true)},
	{name: "set-user-ID", evil: setuidBusybox, spec: asUser(false)},
	{name: "passwd of 100 MB", evil: func(t *testing.T, upper string, _ *canary) {
		must(t, os.MkdirAll(filepath.Join(upper, "etc"), 0o755))
		line := []byte("somebody:x:4242:4242:a long line of a user who is nobody:/home:/bin/sh\n")
		must(t, os.WriteFile(filepath.Join(upper, "etc/passwd"), bytes.Repeat(line, 100<<20/len(line)), 0o644))
	}, spec: plain("echo $HOME")},
	{name: "passwd is a device", evil: func(t *testing.T, upper string, _ *canary) {
		must(t, os.MkdirAll(filepath.Join(upper, "etc"), 0o755))
		must(t, os.Symlink("/dev/null", filepath.Join(upper, "etc/passwd")))
	}, spec: plain("echo $HOME")},
}

// replace takes a directory of the lower layers away first: a whiteout is what a
// layer that replaces it is to overlayfs.
func replace(place string, with func(*testing.T, string, *canary)) func(*testing.T, string, *canary) {
	return func(t *testing.T, upper string, c *canary) {
		must(t, os.RemoveAll(filepath.Join(upper, place)))
		with(t, upper, c)
	}
}

func setuidBusybox(t *testing.T, upper string, _ *canary) {
	program, err := os.ReadFile("/bin/busybox")
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(upper, "bin"), 0o755))
	at := filepath.Join(upper, "bin/busybox-raised")
	must(t, os.WriteFile(at, program, 0o755))
	must(t, os.Chmod(at, 0o755|os.ModeSetuid))
}

func asUser(noNew bool) func(*canary, string) harness.Spec {
	return func(*canary, string) harness.Spec {
		return harness.Spec{Args: sh("grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/self/status ; /bin/busybox-raised grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/self/status"),
			OCI: edit(func(s *oci.Spec) { s.Process.User.UID, s.Process.NoNewPrivileges = 1000, noNew })}
	}
}

// withoutDev leaves /dev and all below to the image.
func withoutDev(s *oci.Spec) {
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool {
		return m.Destination == "/dev" || strings.HasPrefix(m.Destination, "/dev/")
	})
}

// withOwnDev leaves /dev to the image, but mounts what belongs below.
func withOwnDev(s *oci.Spec) {
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/dev" })
}

// TestImages wants of every attack what the stock runtime makes of it, in and
// without a user namespace.
func TestImages(t *testing.T) {
	h := harness.New(t, harness.Options{})
	volume := filepath.Join(h.Dir(), "volume")
	must(t, os.Mkdir(volume, 0o755))
	must(t, os.WriteFile(filepath.Join(volume, "marker"), []byte("the volume\n"), 0o644))
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			compare(t, h.In(t), a, nil, volume)
			if testing.Short() {
				return
			}
			compare(t, h.In(t), a, harness.NthUserNS(2), volume)
		})
	}
}

// compare runs the attack on both runtimes.
func compare(t *testing.T, h *harness.Harness, a attack, userNS *harness.UserNS, volume string) {
	t.Helper()
	answers := map[string]answer{}
	for _, runtime := range []string{harness.Stock, harness.Tango} {
		c := newCanary(t)
		s := a.spec(c, volume)
		s.Runtime, s.UserNS = runtime, userNS
		answers[runtime] = run(t, h, s, func(upper string) { a.evil(t, upper, c) })
		c.check(t)
	}
	stock, tango := answers[harness.Stock], answers[harness.Tango]
	if a.own {
		if stock.code == 0 || tango.code == 0 || stock.output+tango.output != "" {
			t.Errorf("it ran: stock %v, tango %v", stock, tango)
		}
	} else if stock.String() != tango.String() {
		t.Errorf("user namespace %v: stock: %v %s\ntango: %v %s", userNS != nil, stock, stock.failed, tango, tango.failed)
	}
	if a.refused && tango.failed == "" {
		t.Errorf("user namespace %v: not refused: %v", userNS != nil, tango)
	}
	t.Logf("%v %s", tango, tango.failed)
}
