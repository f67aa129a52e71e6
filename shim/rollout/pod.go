package rollout

// What containerd's CRI and Kubernetes' other runtimes call a pod in a
// container's annotations (containerd's internal/cri/annotations).
const (
	uidAnnotation     = "io.kubernetes.cri.sandbox-uid"
	sandboxAnnotation = "io.kubernetes.cri.sandbox-id"
)

// Pod is what a container's pod is told by: its UID, which stays the same when
// the sandbox is made anew; else the sandbox; else the container is on its own.
func Pod(annotations map[string]string, id string) string {
	for _, key := range []string{uidAnnotation, sandboxAnnotation} {
		if pod := annotations[key]; pod != "" {
			return pod
		}
	}
	return id
}
