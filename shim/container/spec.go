package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/sys/userns"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/selinux/go-selinux"
	"golang.org/x/sys/unix"

	"tango/shim/options"
)

// linuxSpec is a spec in which what concerns other systems is left undecoded:
// encoding/json makes a decoder for every type that it could meet, and keeps it.
// For those that never come these are 90 KB in every shim.
type linuxSpec struct {
	specs.Spec
	Solaris json.RawMessage `json:"solaris,omitempty"`
	Windows json.RawMessage `json:"windows,omitempty"`
	VM      json.RawMessage `json:"vm,omitempty"`
	ZOS     json.RawMessage `json:"zos,omitempty"`
	FreeBSD json.RawMessage `json:"freebsd,omitempty"`
}

// loadSpec reads and checks the bundle's config.json.
func loadSpec(bundle string) (*specs.Spec, error) {
	path := filepath.Join(bundle, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("JSON specification file %s not found", path)
	}
	if err != nil {
		return nil, err
	}
	var spec *linuxSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, fmt.Errorf("cannot decode %s: %w", path, err)
	}
	if spec == nil {
		return nil, fmt.Errorf("cannot use %s: config cannot be null", path)
	}
	return &spec.Spec, validateProcess(spec.Process)
}

// validateProcess has runc's checks, in runc's words.
func validateProcess(p *specs.Process) error {
	switch {
	case p == nil:
		return errors.New("process property must not be empty")
	case p.Cwd == "":
		return errors.New("Cwd property must not be empty")
	case !filepath.IsAbs(p.Cwd):
		return errors.New("Cwd must be an absolute path")
	case len(p.Args) == 0:
		return errors.New("args must not be empty")
	case p.SelinuxLabel != "" && !selinux.GetEnabled():
		return errors.New("selinux label is specified in config, but selinux is disabled or not supported")
	}
	return nil
}

// newConfig converts the spec for libcontainer. libcontainer takes the working
// directory for the bundle; a shim has one working directory and many bundles,
// so every relative path is made absolute first, and the bundle is set after.
func newConfig(id, bundle string, spec *specs.Spec, opts options.Config) (*configs.Config, error) {
	absolutePaths(spec, bundle)
	rootless := os.Geteuid() != 0
	config, err := convert(bundle, &specconv.CreateOpts{
		CgroupName:       id,
		UseSystemdCgroup: opts.SystemdCgroup,
		NoPivotRoot:      opts.NoPivotRoot,
		NoNewKeyring:     opts.NoNewKeyring,
		Spec:             spec,
		RootlessEUID:     rootless,
		RootlessCgroups:  rootless || userns.RunningInUserNS(),
	})
	if err != nil {
		return nil, err
	}
	for i, label := range config.Labels {
		if strings.HasPrefix(label, "bundle=") {
			config.Labels[i] = "bundle=" + bundle
		}
	}
	return config, nil
}

// workingDir is held by who needs one that exists.
var workingDir sync.Mutex

// convert has libcontainer convert a spec, for which it wants to know its working
// directory. That is the bundle of the container that the shim was started for, which
// may be gone while others of its pod live: the shim then moves to this one.
func convert(bundle string, opts *specconv.CreateOpts) (*configs.Config, error) {
	workingDir.Lock()
	defer workingDir.Unlock()
	config, err := specconv.CreateLibcontainerConfig(opts)
	if _, gone := unix.Getwd(); err == nil || !errors.Is(gone, unix.ENOENT) {
		return config, err
	}
	if err := os.Chdir(bundle); err != nil {
		return nil, fmt.Errorf("cannot enter the bundle: %w", err)
	}
	return specconv.CreateLibcontainerConfig(opts)
}

func absolutePaths(spec *specs.Spec, bundle string) {
	if spec.Root != nil && !filepath.IsAbs(spec.Root.Path) {
		spec.Root.Path = filepath.Join(bundle, spec.Root.Path)
	}
	for i, m := range spec.Mounts {
		if isBind(m) && !filepath.IsAbs(m.Source) {
			spec.Mounts[i].Source = filepath.Join(bundle, m.Source)
		}
	}
}

func isBind(m specs.Mount) bool {
	if m.Type == "bind" {
		return true
	}
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return false
}
