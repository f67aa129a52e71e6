package container

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"
)

// spareMounts takes mounts out of the config that could not come about anyway.
//
// libcontainer mounts each read-only path onto itself before it knows whether it
// is there, and passes over a missing one. What the kernel has at the top of
// /proc is the same in every instance, so a missing one can be told beforehand.
func spareMounts(config *configs.Config) {
	config.ReadonlyPaths = slices.DeleteFunc(config.ReadonlyPaths, func(path string) bool {
		path = filepath.Clean(path)
		if filepath.Dir(path) != "/proc" || !hasProc(config) {
			return false
		}
		_, err := os.Lstat(path)
		return os.IsNotExist(err)
	})
}

// hasProc tells whether the container's /proc is procfs, of the whole kernel.
func hasProc(config *configs.Config) bool {
	for _, m := range config.Mounts {
		if filepath.Clean(m.Destination) == "/proc" {
			return m.Device == "proc" && !strings.Contains(m.Data, "subset")
		}
	}
	return false
}
