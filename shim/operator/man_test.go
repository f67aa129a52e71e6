package operator

import (
	"os/exec"
	"strings"
	"testing"
)

func TestManual(t *testing.T) {
	code, page, stderr := run("man")
	if code != exitFine || stderr != "" {
		t.Fatalf("%d: %s", code, stderr)
	}
	for _, want := range []string{".TH TANGO 8", ".SS doctor", ".SS install", ".SS uninstall", `\-\-dry\-run`, `Exit codes: 0`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	for _, not := range []string{".SS man", ".SS help"} {
		if strings.Contains(page, not) {
			t.Errorf("%q in\n%s", not, page)
		}
	}
}

// What roff says about the page, where there is a roff.
func TestManualIsRoff(t *testing.T) {
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("NOT TESTED on this machine: needs groff")
	}
	_, page, _ := run("man")
	c := exec.Command("groff", "-man", "-Tutf8", "-ww")
	c.Stdin = strings.NewReader(page)
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning:") || strings.Contains(string(out), "error:") {
		t.Errorf("%v: %s", err, out)
	}
}
