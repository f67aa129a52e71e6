package container

import (
	"encoding/json"
	"os"

	"github.com/cyphar/filepath-securejoin/pathrs-lite/procfs"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/specconv"

	"tango/mounts/kernel"
	"tango/mounts/mountns"
	"tango/shim/host"
	"tango/shim/options"
)

// Prepared is what a shim has ready before it knows whom it serves.
type Prepared struct {
	bundles  string // the directory that bundles are in
	template *mountns.Template
}

// Prepare has this process ready for its first container: what is made once per
// process is made, and the code that a create runs through has run. Trouble is met
// again, and told, where it matters. bundles is where the container's bundle will be.
func Prepare(shared Shared, bundles string) *Prepared {
	p := &Prepared{bundles: bundles}
	p.template, _ = host.OpenTemplate(shared.RunDir, bundles)
	if proc, err := procfs.OpenProcRoot(); err == nil { // keeps an instance of procfs for libcontainer
		_ = proc.Close()
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil { // finds out, with a child, whether pidfds can be had
		_ = self.Release()
	}
	p.rehearse()
	p.learn()
	return p
}

// rehearse reads an example of a spec as a create does, and writes what libcontainer
// makes of it, as libcontainer does for its state, and for init: package encoding/json
// finds out about each type when it meets the first of it.
func (p *Prepared) rehearse() {
	data, err := json.Marshal(linuxSpec{Spec: *specconv.Example()})
	if err != nil {
		return
	}
	var spec linuxSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return
	}
	if config, err := newConfig("rehearsal", p.bundles, &spec.Spec, options.Config{}); err == nil {
		_, _ = json.Marshal(&libcontainer.State{BaseState: libcontainer.BaseState{Config: *config}})
	}
}

// learn has what can be known of the host's cgroups read in the template.
func (p *Prepared) learn() {
	if p.template == nil {
		return
	}
	_ = kernel.InNewThread(func() error {
		if err := p.template.Enter(); err != nil {
			return err
		}
		learnCgroups()
		return nil
	})
}

// learnCgroups has libcontainer's cgroup code read where the v1 hierarchies are, once a
// process, from the mountinfo of the calling thread. Called where that is short, it
// spares reading the host's.
func learnCgroups() {
	_, _, _ = cgroups.FindCgroupMountpointAndRoot("", "devices") // an error comes again where it matters
}

// templateFor hands the template over, if it is one for bundles in that directory;
// else nil.
func (p *Prepared) templateFor(bundles string) *mountns.Template {
	if p == nil || p.bundles != bundles {
		return nil
	}
	t := p.template
	p.template = nil
	return t
}

// Close gives up what no container has come to need.
func (p *Prepared) Close() error {
	if p == nil || p.template == nil {
		return nil
	}
	return p.template.Close()
}
