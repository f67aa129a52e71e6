package operator

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
)

// labelPrefix is the namespace of the labels.
const labelPrefix = "tango.containerd.io/"

// nodeLabel is one of the node's.
type nodeLabel struct{ name, value string }

// labels are the findings as Node Feature Discovery takes them from files of its
// local source (features.d): for scheduling pods that start in bursts onto machines
// that take it.
func (r *Report) labels() []nodeLabel {
	missing := r.count(Missing) > 0
	list := []nodeLabel{
		{"ready", fmt.Sprint(!missing)},
		{"userns", fmt.Sprint(r.Ways.UserNamespace != wayNone && r.Ways.UserNamespace != wayUnknown)},
		{"way", r.Ways.Plain},
		{"way-userns", r.Ways.UserNamespace},
		{"contention", string(r.Machine.Contention.Class)},
		{"sockets", fmt.Sprint(len(r.Machine.Sockets))},
		{"numa-nodes", fmt.Sprint(len(r.Machine.Nodes))},
		{"l3-groups", fmt.Sprint(len(r.Machine.L3))},
		{"threads-per-core", fmt.Sprint(r.Machine.Threads)},
		{favorOption, string(r.Cgroups.FavorDynMods)},
	}
	if p := r.Containerd.Shim; p.Version != "" {
		list = append(list, nodeLabel{"version", p.Version})
	}
	return list
}

// notInLabel is what a label's value must not have, inside and at its ends.
var (
	notInLabel = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
	notAtEnd   = "._-"
)

// labelValue makes one of a text: at most 63 characters, of those that are allowed.
func labelValue(s string) string {
	s = strings.Trim(notInLabel.ReplaceAllString(s, "-"), notAtEnd)
	if len(s) > 63 {
		s = strings.TrimRight(s[:63], notAtEnd)
	}
	return s
}

// nfd is the text of the features file.
func (r *Report) nfd() string {
	var b strings.Builder
	b.WriteString("# By tango doctor --nfd: what this machine is for containers that start in bursts.\n")
	for _, l := range r.labels() {
		fmt.Fprintf(&b, "%s%s=%s\n", labelPrefix, l.name, labelValue(l.value))
	}
	return b.String()
}

// writeNFD writes the features file, in one step, or to w if it is named "-".
func (r *Report) writeNFD(w io.Writer, file string) error {
	if file == "-" {
		_, err := io.WriteString(w, r.nfd())
		return err
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	return stage("/").write(file, []byte(r.nfd()), 0o644)
}
