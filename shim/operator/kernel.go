package operator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tango/mounts/kernel"
)

// Kernel is what the running kernel can do.
type Kernel struct {
	Release   string    `json:"release"`
	Abilities []Ability `json:"abilities"`
}

// Answer is what a probe says.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown" // it could not be found out
)

// Ability is what the kernel says about one of its features.
type Ability struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	// Since is the first mainline release with it; distributions carry much of
	// it back.
	Since string `json:"since"`
	// Meaning is what it is good for.
	Meaning string `json:"meaning"`
	// Problem is why the answer is unknown.
	Problem string `json:"problem,omitempty"`
}

// meanings say what each feature is good for.
var meanings = map[*kernel.Feature]string{
	kernel.IDMappedMounts:        "files keep their owners in user namespaces",
	kernel.OverlayIDMappedLayers: "image layers in user namespaces, not copied",
	kernel.TmpfsIDMap:            "tmpfs volumes in user namespaces",
	kernel.LowerdirPlus:          "any number of layers, whatever their paths",
	kernel.StatMount:             "one mount looked up, not the whole table read",
	kernel.OverlayLayerFD:        "layers as open directories, paths of any length",
	kernel.OverlayLayerPathFD:    "the same, opened without being read",
	kernel.OverlayDetachedLayer:  "id-mapped layers without attaching a mount",
	kernel.DetachedOnDetached:    "whole trees put together before they are attached",
	kernel.OpenTreeAttr:          "a mount cloned and id-mapped by one call",
	kernel.OpenTreeNamespace:     "a namespace of one tree, no mount table copied",
	kernel.FSMountNamespace:      "a namespace of one new filesystem, nothing copied",
}

func (h host) kernel() (Kernel, error) {
	release, err := os.ReadFile(filepath.Join(h.roots.Proc, "sys/kernel/osrelease"))
	if err != nil {
		return Kernel{}, fmt.Errorf("cannot find out the kernel's release: %w", err)
	}
	return Kernel{Release: strings.TrimSpace(string(release)), Abilities: h.probe()}, nil
}

// ask probes all features.
func ask(features []*kernel.Feature) []Ability {
	answers := make([]Ability, len(features))
	for i, f := range features {
		answers[i] = ability(f, f.Probe())
	}
	return answers
}

func ability(f *kernel.Feature, err error) Ability {
	a := Ability{Name: f.Name, Since: f.Since, Meaning: meanings[f], Answer: Yes}
	switch {
	case err == nil:
	case errors.Is(err, kernel.ErrNotSupported):
		a.Answer = No
	default:
		a.Answer, a.Problem = Unknown, err.Error()
	}
	return a
}

// answer is what the kernel says about the feature.
func (k Kernel) answer(f *kernel.Feature) Answer {
	for _, a := range k.Abilities {
		if a.Name == f.Name {
			return a.Answer
		}
	}
	return Unknown
}

// has tells whether the kernel is known to have the feature.
func (k Kernel) has(f *kernel.Feature) bool { return k.answer(f) == Yes }

// unknown are the abilities that could not be found out.
func (k Kernel) unknown() []Ability {
	var list []Ability
	for _, a := range k.Abilities {
		if a.Answer == Unknown {
			list = append(list, a)
		}
	}
	return list
}
