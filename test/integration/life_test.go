package integration

import (
	"testing"

	"tango/test/harness"
)

func TestHello(t *testing.T) {
	h := harness.New(t, harness.Options{})
	c := h.Run(harness.Spec{Args: []string{"sh", "-c", "echo hello; exit 7"}})
	if code := h.Wait(c); code != 7 || c.Stdout.String() != "hello\n" {
		t.Errorf("code %d, output %q", code, c.Stdout)
	}
	h.Delete(c)
	h.CheckLeaks()
	c = h.Run(harness.Spec{UserNS: harness.NthUserNS(3), Image: h.Image(20)})
	t.Log(h.Output(c, "sh", "-c", "cat /proc/self/uid_map; ls -ln /layers/003 /shared/opaque; mount | head -3"))
}
