package bootstrap

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// groupAnnotations name the group that a container belongs to; containers of a
// group share one shim. Order matters: an explicit group wins over the pod.
var groupAnnotations = []string{
	"io.containerd.tango.v2.group",
	"io.containerd.runc.v2.group",
	"io.kubernetes.cri.sandbox-id",
}

// groupOf reads a bundle's annotations and returns the id under which the
// container's shim listens: the group's, or the container's own.
func groupOf(bundle, id string) (string, error) {
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return "", fmt.Errorf("cannot read the OCI spec: %w", err)
	}
	var spec struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return "", fmt.Errorf("cannot decode the OCI spec config.json: %w", err)
	}
	for _, name := range groupAnnotations {
		if group, ok := spec.Annotations[name]; ok {
			return group, nil
		}
	}
	return id, nil
}
