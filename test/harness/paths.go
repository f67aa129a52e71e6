package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// binEnv names a directory with the shim, and below it tools/ with containerd,
// the stock shim and runc.
const binEnv = "TANGO_BIN"

// systemPath is where what hooks and loggers may call is looked for.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// binDir finds the directory with the programs: from the environment, else bin/
// of the source tree that the working directory lies in.
func binDir() (string, error) {
	if dir := os.Getenv(binEnv); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; at != "/"; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module tango\n") {
			return filepath.Join(at, "bin"), nil
		}
	}
	return "", fmt.Errorf("cannot find the source tree of tango above %s: set %s", dir, binEnv)
}

// tool returns the path of one of the programs, which must be there.
func tool(bin, name string) (string, error) {
	for _, dir := range []string{bin, filepath.Join(bin, "tools")} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("cannot find %s in %s: run `make build tools`", name, bin)
}
