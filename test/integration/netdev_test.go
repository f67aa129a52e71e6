package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// veth makes a pair of connected links on the host, of which the first is for a
// container, and returns its name. Taking one away takes both; so does the end of
// a network namespace that one is in.
func veth(t *testing.T, letter string) string {
	t.Helper()
	name := fmt.Sprintf("tg%s%d", letter, os.Getpid())
	ip(t, "link", "add", name, "type", "veth", "peer", "name", name+"p")
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", name+"p").Run() // mostly gone with its container
	})
	return name
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func linkIsHere(name string) bool {
	_, err := os.Stat("/sys/class/net/" + name)
	return err == nil
}

func withDevices(devices map[string]specs.LinuxNetDevice) []oci.SpecOpts {
	return edit(func(s *oci.Spec) { s.Linux.NetDevices = devices })
}

// TestNetDevices moves links of the host into a container, one under another
// name, with their addresses, up.
func TestNetDevices(t *testing.T) {
	for name, mapping := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(13)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := veth(t, name[:1]+"1"), veth(t, name[:1]+"2")
			ip(t, "addr", "add", "198.51.100.7/24", "dev", one)
			ip(t, "link", "set", one, "up")
			h := harness.New(t, harness.Options{})
			c := h.Run(harness.Spec{UserNS: mapping, OCI: withDevices(map[string]specs.LinuxNetDevice{one: {Name: "eth7"}, two: {}})})
			if got := strings.Join(strings.Fields(h.Output(c, "ls", "/sys/class/net")), " "); got != "eth7 lo "+two {
				t.Errorf("links %q, want eth7 lo %s", got, two)
			}
			if got := h.Output(c, "ip", "addr", "show", "eth7"); !strings.Contains(got, "198.51.100.7/24") || !strings.Contains(got, "UP") {
				t.Errorf("eth7 is not up with its address:\n%s", got)
			}
			if linkIsHere(one) || linkIsHere(two) {
				t.Error("a link that was moved is still on the host")
			}
			h.Delete(c)
			h.Eventually("the links are gone with the container", func() bool { return !linkIsHere(one+"p") && !linkIsHere(two+"p") })
		})
	}
}

// TestNetDevicesRefused wants runc's words for a link that is not there, and for a
// container that has the host's network. (lo would be taken down before it is refused.)
func TestNetDevicesRefused(t *testing.T) {
	h := newNode(t)
	sameRefusal(t, h, harness.Spec{OCI: withDevices(map[string]specs.LinuxNetDevice{"nosuchlink": {}})}, "nosuchlink")
	sameRefusal(t, h, harness.Spec{OCI: append(withDevices(map[string]specs.LinuxNetDevice{"nosuchlink": {}}),
		oci.WithHostNamespace(specs.NetworkNamespace))}, "network")
	h.CheckLeaks()
}
