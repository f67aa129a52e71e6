// Package options turns whatever containerd hands over as runtime options into
// one flat, typed [Config], and keeps that Config in the bundle for the calls
// that come without options (delete after a lost shim).
//
// Three forms arrive: nothing at all, the protobuf message
// containerd.runc.v1.Options (runtime type io.containerd.runc.v2, or ctr), and
// runtimeoptions.v1.Options (what CRI sends for any other runtime type), which
// points to a TOML file or carries TOML itself. Nothing is guessed: an unknown
// key or a value of the wrong type is an error, never a default.
package options

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"tango/shim/rollout"
)

// DefaultRunDir is where tango keeps what all shims of a host share.
const DefaultRunDir = "/run/tango"

// Ways that [Config.Way] knows, see there.
const (
	WayAuto     = "auto"
	WayDetached = "detached"
	WayPrivate  = "private"
	WayOptions  = "options"
	WayPlain    = "plain"
)

var ways = []string{WayAuto, WayDetached, WayPrivate, WayOptions, WayPlain}

// Who does a container's mount work, for [Config.MountWork].
const (
	MountWorkAuto    = "auto"
	MountWorkService = "service"
	MountWorkShim    = "shim"
)

var mountWorks = []string{MountWorkAuto, MountWorkService, MountWorkShim}

// Config is all that can be set for a container by runtime options. The zero
// value is valid; [Parse] and [Load] return it with Way and RunDir filled in.
type Config struct {
	// Root is the directory below which container state is kept, absolute.
	// Empty: the shim chooses.
	Root string `json:"Root,omitempty"`
	// SystemdCgroup has cgroups made by systemd instead of in cgroupfs.
	SystemdCgroup bool `json:"SystemdCgroup,omitempty"`
	// NoPivotRoot uses MS_MOVE and chroot instead of pivot_root (rootfs on an
	// initramfs).
	NoPivotRoot bool `json:"NoPivotRoot,omitempty"`
	// NoNewKeyring leaves the container the session keyring of the shim.
	NoNewKeyring bool `json:"NoNewKeyring,omitempty"`
	// ShimCgroup is the cgroup that the shim itself is put into. Empty: it
	// stays where containerd started it.
	ShimCgroup string `json:"ShimCgroup,omitempty"`
	// IOUID and IOGID own the pipes of a container's stdin, stdout and stderr.
	IOUID int `json:"IoUid,omitempty"`
	IOGID int `json:"IoGid,omitempty"`
	// CriuPath is the criu program. Empty: the first one in PATH.
	CriuPath string `json:"CriuPath,omitempty"`
	// CriuWorkPath is criu's directory for logs and temporary files, absolute.
	// Empty: the container's work directory.
	CriuWorkPath string `json:"CriuWorkPath,omitempty"`
	// CriuImagePath is where checkpoint images go when a request names no
	// place, absolute.
	CriuImagePath string `json:"CriuImagePath,omitempty"`
	// TaskAPIAddress is the address that the task service is to be reached at.
	TaskAPIAddress string `json:"TaskApiAddress,omitempty"`
	// TaskAPIVersion is the task protocol spoken there: 2 or 3, 0 if not said.
	TaskAPIVersion uint32 `json:"TaskApiVersion,omitempty"`
	// BinaryName names a runc binary. None is started: accepted so that a
	// configuration written for runc is usable as it stands, but without effect.
	// As with runc's shim, no container is created if no such program is there.
	BinaryName string `json:"BinaryName,omitempty"`

	// Way says how root filesystems are made: one of [WayAuto] (the best this
	// kernel has; also when empty), [WayDetached] (layers by fd),
	// [WayPrivate] (lowerdir+ in a private mount namespace), [WayOptions] (one
	// option string in a private mount namespace) and [WayPlain].
	Way string `json:"Way,omitempty"`
	// MountWork says who makes the mounts of root filesystems: one of
	// [MountWorkService] (the host's mount service, by its worker for the NUMA node,
	// in batches; the shim, if that can't be reached), [MountWorkShim] (each shim its
	// own, in turn) and [MountWorkAuto] (the service where the machine has several
	// nodes; also when empty).
	MountWork string `json:"MountWork,omitempty"`
	// RunDir is the directory shared by all shims of the host, absolute.
	// Empty: [DefaultRunDir].
	RunDir string `json:"RunDir,omitempty"`
	// Rollout compares two arms on this node, see package rollout.
	Rollout rollout.Config `json:"Rollout,omitzero"`
}

// withDefaults fills in what is never left empty for a consumer.
func (c Config) withDefaults() Config {
	if c.Way == "" {
		c.Way = WayAuto
	}
	if c.RunDir == "" {
		c.RunDir = DefaultRunDir
	}
	return c
}

// Validate tells the first value that cannot be meant, by its key.
func (c Config) Validate() error {
	for _, dir := range []struct{ key, path string }{
		{"Root", c.Root},
		{"CriuWorkPath", c.CriuWorkPath},
		{"CriuImagePath", c.CriuImagePath},
		{"RunDir", c.RunDir},
	} {
		if dir.path != "" && !filepath.IsAbs(dir.path) {
			return fmt.Errorf("%s %q is not an absolute path", dir.key, dir.path)
		}
	}
	if err := c.validateIDs(); err != nil {
		return err
	}
	if c.Way != "" && !slices.Contains(ways, c.Way) {
		return fmt.Errorf("unknown Way %q (accepted: %s)", c.Way, strings.Join(ways, ", "))
	}
	if c.MountWork != "" && !slices.Contains(mountWorks, c.MountWork) {
		return fmt.Errorf("unknown MountWork %q (accepted: %s)", c.MountWork, strings.Join(mountWorks, ", "))
	}
	if err := c.Rollout.Validate(); err != nil {
		return fmt.Errorf("rollout: %w", err)
	}
	if v := c.TaskAPIVersion; v != 0 && v != 2 && v != 3 {
		return fmt.Errorf("unknown TaskApiVersion %d (accepted: 2, 3)", v)
	}
	return nil
}

// validateIDs refuses what chown(2) would not take as an id: (uid_t)-1 means
// "leave as it is" there.
func (c Config) validateIDs() error {
	for _, id := range []struct {
		key   string
		value int
	}{{"IoUid", c.IOUID}, {"IoGid", c.IOGID}} {
		if id.value < 0 || int64(id.value) >= math.MaxUint32 {
			return fmt.Errorf("%s %d is not an id (0 to %d)", id.key, id.value, uint32(math.MaxUint32-1))
		}
	}
	return nil
}
