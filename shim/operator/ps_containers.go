package operator

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// PodContainer is a container of a running shim.
type PodContainer struct {
	ID     string `json:"id"`
	Bundle string `json:"bundle"`
	// Pid is that of its first process, 0 if that has ended.
	Pid int `json:"pid"`
	// Arm is how it is run, see tango ab.
	Arm string `json:"arm,omitempty"`
	// Name and Pod are Kubernetes' names of it, if it told any.
	Name string `json:"name,omitempty"`
	Pod  string `json:"pod,omitempty"`
	// Mounts is how many the container sees.
	Mounts int `json:"mounts"`
}

// Labels by which containers are known; CRI's annotations become labels.
const (
	armLabel       = "io.tango.arm"
	nameLabel      = "io.kubernetes.cri.container-name"
	podLabel       = "io.kubernetes.cri.sandbox-name"
	podSpaceLabel  = "io.kubernetes.cri.sandbox-namespace"
	stateFile      = "state.json"
	bootstrapFile  = "bootstrap.json"
	maxStateFile   = 4 << 20 // bytes
	maxSmallerFile = 1 << 16
)

// bundle is what a bundle's own files say.
type bundle struct {
	PodContainer
	address string // of the shim that serves it
}

// containersOf finds the containers of a shim: their first processes are its
// children, and where those have ended, containerd has noted the shim's address.
func containersOf(shim Process, bundles []bundle) []PodContainer {
	address := ""
	for _, b := range bundles {
		if b.Bundle == shim.Bundle {
			address = b.address
		}
	}
	list := []PodContainer{}
	for _, b := range bundles {
		running := b.Pid > 0 && parentOf(b.Pid) == shim.Pid
		if !running && (address == "" || b.address != address) {
			continue
		}
		if running {
			b.Mounts = mountsOf(b.Pid)
		} else {
			b.Pid = 0
		}
		list = append(list, b.PodContainer)
	}
	return list
}

// bundlesBeside reads all bundles in the directory that one is in: containerd
// keeps those of a namespace together.
func bundlesBeside(path string) []bundle {
	parent := filepath.Dir(path)
	entries, err := os.ReadDir(parent)
	if path == "" || err != nil {
		return nil
	}
	var list []bundle
	for _, e := range entries {
		if e.IsDir() {
			list = append(list, readBundle(filepath.Join(parent, e.Name())))
		}
	}
	return list
}

func readBundle(path string) bundle {
	b := bundle{PodContainer: PodContainer{ID: filepath.Base(path), Bundle: path}, address: shimAddress(path)}
	var options struct{ Root string }
	readJSON(filepath.Join(path, "options.json"), maxSmallerFile, &options)
	dir := filepath.Join(path, "state")
	if options.Root != "" {
		dir = filepath.Join(options.Root, filepath.Base(filepath.Dir(path)))
	}
	var state struct {
		Pid    int `json:"init_process_pid"`
		Config struct {
			Labels []string `json:"labels"`
		} `json:"config"`
	}
	readJSON(filepath.Join(dir, b.ID, stateFile), maxStateFile, &state)
	b.Pid = state.Pid
	b.Arm = label(state.Config.Labels, armLabel)
	b.Name = label(state.Config.Labels, nameLabel)
	b.Pod = strings.Trim(label(state.Config.Labels, podSpaceLabel)+"/"+label(state.Config.Labels, podLabel), "/")
	return b
}

// shimAddress is where containerd reaches the shim: in bootstrap.json since 1.7, in
// the file address before.
func shimAddress(path string) string {
	var b struct{ Address string }
	readJSON(filepath.Join(path, bootstrapFile), maxSmallerFile, &b)
	if b.Address == "" {
		text, _ := os.ReadFile(filepath.Join(path, "address"))
		b.Address = strings.TrimSpace(string(text))
	}
	return b.Address
}

func label(labels []string, name string) string {
	for _, l := range labels {
		if value, ok := strings.CutPrefix(l, name+"="); ok {
			return value
		}
	}
	return ""
}

// readJSON fills v as far as there is such a file. A container that is on its way
// into being, or out of it, has half of its files.
func readJSON(path string, limit int64, v any) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		return
	}
	if data, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(data, v)
	}
}
