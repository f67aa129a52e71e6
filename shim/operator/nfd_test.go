package operator

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the API server takes as a label's key and value.
var (
	labelKey    = regexp.MustCompile(`^[a-z0-9.-]+/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	labelValues = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$`)
)

func TestNFDLabelsAreLabels(t *testing.T) {
	for name, f := range map[string]fixture{"good": good(), "half": half(), "bare": bare(), "denied": denied()} {
		for line := range strings.Lines(f.examine(t).nfd()) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") {
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			if !ok || !labelKey.MatchString(key) || !labelValues.MatchString(value) {
				t.Errorf("%s: %q is no label", name, line)
			}
		}
	}
}

func TestNFDTellsMachinesApart(t *testing.T) {
	chiplets, sockets := good().examine(t).nfd(), bare().examine(t).nfd()
	for text, wants := range map[string][]string{
		chiplets: {"/contention=best\n", "/ready=true\n", "/userns=true\n", "/favordynmods=on\n", "/version=v1.0.0\n"},
		sockets:  {"/contention=worst\n", "/ready=false\n", "/userns=false\n", "/sockets=2\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, labelPrefix[:len(labelPrefix)-1]+want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

func TestLabelValue(t *testing.T) {
	for text, want := range map[string]string{
		"v1.0-3-gabc": "v1.0-3-gabc", "a b/c": "a-b-c", "-x-": "x", "": "", strings.Repeat("x", 62) + "--y": strings.Repeat("x", 62),
	} {
		if got := labelValue(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestDoctorWritesNFD(t *testing.T) {
	file := t.TempDir() + "/features.d/tango"
	if code, stdout, stderr := run("doctor", "--nfd", file); code == exitUsage || stdout != "" || stderr != "" {
		t.Fatalf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := run("doctor", "--nfd", "-")
	if stdout != string(text) || !strings.Contains(stdout, labelPrefix+"contention=") {
		t.Errorf("the file has %q, standard output %q", text, stdout)
	}
	if code, _, _ := run("doctor", "--nfd", "-", "--json"); code != exitUsage {
		t.Errorf("--nfd and --json: code %d", code)
	}
}
