package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/images"
)

// Spec says what to run. The zero value is an idle container of the smallest
// image with the node's default runtime.
type Spec struct {
	ID          string                        // default: made from a serial number
	Runtime     string                        // Stock or Tango; default: the node's
	Image       containerd.Image              // default: the image of one layer
	Snapshotter string                        // default: Snapshotter
	Args        []string                      // default: sleep for ever; KeepArgs: what the image or the base says
	Base        *oci.Spec                     // instead of containerd's default spec and the image's settings
	UserNS      *UserNS                       // default: no user namespace
	OCI         []oci.SpecOpts                // applied last
	Annotations map[string]string             // of the OCI spec
	Labels      map[string]string             // of the container in containerd
	Stdin       io.Reader                     // default: none; needs no Terminal
	Terminal    bool                          // give the process a terminal; output is in Stdout
	IO          cio.Creator                   // replaces Stdin, Stdout and Stderr; default: fifos into Output
	Options     any                           // runtime options; default: those that keep state in the node
	New         []containerd.NewContainerOpts // applied last
	Task        []containerd.NewTaskOpts      // passed to NewTask
}

// KeepArgs in Spec.Args stands for the command that image or base name.
var KeepArgs = []string{}

// Idle is a command that sleeps for ever and ends at the first SIGTERM.
var Idle = []string{"/bin/sh", "-c", "trap exit TERM; while :; do sleep 1000 & wait; done"}

// fill sets the defaults.
func (n *Node) fill(ctx context.Context, s Spec) (Spec, error) {
	if s.ID == "" {
		s.ID = fmt.Sprintf("c%d", n.serial.Add(1))
	}
	if s.Runtime == "" {
		s.Runtime = n.options.Runtime
	}
	if s.Runtime == "" {
		s.Runtime = Tango
	}
	if s.Snapshotter == "" {
		s.Snapshotter = Snapshotter
	}
	if s.Args == nil {
		s.Args = Idle
	}
	var err error
	if s.Image == nil {
		if s.Image, err = n.ImageOn(ctx, images.Config{Layers: 1}, s.Snapshotter); err != nil {
			return s, err
		}
	}
	if s.Options == nil {
		s.Options, err = n.RuntimeOptions(s.Runtime)
	}
	return s, err
}

// ociOpts are the changes that make containerd's default spec the wanted one.
func (n *Node) ociOpts(s Spec) []oci.SpecOpts {
	opts := []oci.SpecOpts{oci.WithDefaultSpec(), oci.WithImageConfig(s.Image)}
	if s.Base != nil {
		opts = []oci.SpecOpts{withBase(s.Base)}
	}
	if len(s.Args) > 0 {
		opts = append(opts, oci.WithProcessArgs(s.Args...))
	}
	opts = append(opts, oci.WithCgroup(n.cgroupPath(s.ID)))
	if s.Terminal {
		opts = append(opts, oci.WithTTY)
	}
	if s.UserNS != nil {
		opts = append(opts, oci.WithUserNamespace(s.UserNS.mappings(), s.UserNS.mappings()))
	}
	if s.Annotations != nil {
		opts = append(opts, oci.WithAnnotations(s.Annotations))
	}
	return append(opts, s.OCI...)
}

// withBase makes the spec a copy of another, with the root where shims put it.
func withBase(base *oci.Spec) oci.SpecOpts {
	return func(_ context.Context, _ oci.Client, _ *containers.Container, s *oci.Spec) error {
		data, err := json.Marshal(base)
		if err != nil {
			return fmt.Errorf("cannot copy the spec: %w", err)
		}
		*s = oci.Spec{}
		if err := json.Unmarshal(data, s); err != nil {
			return fmt.Errorf("cannot copy the spec: %w", err)
		}
		s.Root = &specs.Root{Path: "rootfs", Readonly: base.Root != nil && base.Root.Readonly}
		return nil
	}
}

// containerOpts are the options of the container's record in containerd.
func (n *Node) containerOpts(s Spec) []containerd.NewContainerOpts {
	snapshot := containerd.WithNewSnapshot(s.ID, s.Image)
	if s.UserNS != nil {
		remap := containerd.WithUserNSRemapperLabels(s.UserNS.mappings(), s.UserNS.mappings())
		snapshot = containerd.WithNewSnapshot(s.ID, s.Image, remap)
	}
	opts := []containerd.NewContainerOpts{
		containerd.WithImage(s.Image), containerd.WithSnapshotter(s.Snapshotter), snapshot,
		containerd.WithRuntime(s.Runtime, s.Options), containerd.WithNewSpec(n.ociOpts(s)...),
		containerd.WithAdditionalContainerLabels(s.Labels),
	}
	return append(opts, s.New...)
}

// Edit returns a change of the OCI spec for what has no option of its own.
func Edit(change func(*oci.Spec)) oci.SpecOpts {
	return func(_ context.Context, _ oci.Client, _ *containers.Container, s *oci.Spec) error {
		change(s)
		return nil
	}
}
