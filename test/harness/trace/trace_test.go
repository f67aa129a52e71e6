package trace

import (
	"os"
	"os/exec"
	"testing"
)

// TestCount counts the calls of a program that this test starts, and none of
// the machine's others.
func TestCount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("tracing needs root")
	}
	r, err := Start("tango-test", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// unshare(1) makes a mount namespace and makes it private: one mount call.
	script := "mount -t tmpfs none /mnt; umount /mnt"
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", script).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	counts, err := r.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if counts["unshare"] != 1 || counts["umount"] != 1 || counts["mount"]+counts["fsmount"] < 1 || counts["pivot_root"] != 0 {
		t.Errorf("counted %v", counts)
	}
	if r.dir != "" {
		t.Errorf("the instance is still there: %q", r.dir)
	}
}
