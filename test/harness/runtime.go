package harness

import (
	"fmt"

	"github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
)

// The runtimes that a container can be run with.
const (
	Stock = "io.containerd.runc.v2"
	Tango = "io.containerd.tango.v2"
)

// RuntimeNames are the short names of the runtimes, as flags take them.
var RuntimeNames = map[string]string{"runc": Stock, "tango": Tango}

// RuntimeOptions are the options of a runtime that keep its state inside the
// node's directory, or where somebody else's containerd has it. Both runtimes take
// runc's.
func (n *Node) RuntimeOptions(runtime string) (*options.Options, error) {
	if n.lent != nil {
		return &options.Options{SystemdCgroup: n.lent.SystemdCgroup}, nil
	}
	o := &options.Options{Root: n.path("run/runtime")}
	if runtime == Stock {
		runc, err := tool(n.bin, "runc")
		if err != nil {
			return nil, err
		}
		o.BinaryName = runc
	}
	return o, nil
}

// TangoOptions are tango's options that RuntimeOptions gives, and further ones, as lines
// of its configuration.
func (n *Node) TangoOptions(lines string) *runtimeoptions.Options {
	if n.lent != nil {
		return &runtimeoptions.Options{ConfigBody: fmt.Appendf(nil, "SystemdCgroup = %v\n%s\n", n.lent.SystemdCgroup, lines)}
	}
	return &runtimeoptions.Options{ConfigBody: fmt.Appendf(nil, "Root = %q\n%s\n", n.path("run/runtime"), lines)}
}

// ParseRuntime returns the runtime type for a short name or a type itself.
func ParseRuntime(name string) (string, error) {
	if full, ok := RuntimeNames[name]; ok {
		return full, nil
	}
	for _, full := range RuntimeNames {
		if full == name {
			return full, nil
		}
	}
	return "", fmt.Errorf("cannot use runtime %q: runc and tango are known", name)
}

// OptionsWith are the stock runtime's options with another program instead of runc.
func (n *Node) OptionsWith(program string) *options.Options {
	if n.lent != nil {
		return &options.Options{SystemdCgroup: n.lent.SystemdCgroup, BinaryName: program}
	}
	return &options.Options{Root: n.path("run/runtime"), BinaryName: program}
}
