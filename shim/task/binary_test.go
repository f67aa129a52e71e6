package task

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

func TestCheckBinaryName(t *testing.T) {
	dir := t.TempDir()
	program, text := filepath.Join(dir, "a-runc"), filepath.Join(dir, "text")
	for path, mode := range map[string]os.FileMode{program: 0o755, text: 0o644} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	for name, good := range map[string]bool{
		"": true, "a-runc": true, program: true,
		"no-runc": false, "text": false, text: false, dir: false, "/nosuch/runc": false,
	} {
		s := &Service{}
		err := s.checkBinaryName(name)
		if (err == nil) != good || s.warned != (good && name != "") {
			t.Errorf("%q: %v, noted: %v", name, err, s.warned)
		}
		if !good && (!errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), `"`+name+`"`)) {
			t.Errorf("%q: not said in the error: %v", name, err)
		}
	}
}
