// Package rollout compares two ways to run containers on one node: it assigns
// each pod to an arm, and keeps which arms are switched off.
//
// An assignment is a hash of the configuration's seed and the pod, nothing else:
// the same pod is in the same arm on every create, after every restart, and with a
// higher percentage pods only move into the first arm, never out of it.
//
// It is a leaf, and light: every shim links it.
package rollout

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The arms that there are. The names of the ways of making root filesystems are
// arms, too: [Tango] with that way.
const (
	// Tango is the runtime as it is configured.
	Tango = "tango"
	// Control is stock behaviour inside tango: containerd's own code mounts the
	// root filesystem at the bundle, in the host's mount namespace, of which the
	// container's is a copy. Nothing is shared and no service is asked.
	Control = "control"
)

var ways = []string{"detached", "private", "options", "plain"}

// Config is a rollout. The zero value is none: every pod is in [Tango].
type Config struct {
	// Percent of the pods are in the first arm, 0 to 100.
	Percent float64 `json:"percent,omitempty"`
	// Seed makes one node's or one rollout's assignment independent of another's.
	Seed string `json:"seed,omitempty"`
	// Arms are the one that is tried and the one that it is compared with. Empty:
	// [Tango] and [Control].
	Arms [2]string `json:"arms"`
	// Guard is by how many percentage points the first arm may fail more often
	// than the second before it is switched off; 0 is [DefaultGuard], 100 or more
	// is never.
	Guard float64 `json:"guard,omitempty"`
	// Active tells a rollout of 0 percent from none.
	Active bool `json:"active,omitempty"`
}

// Validate tells the first value that can't be meant.
func (c Config) Validate() error {
	if !c.Active {
		return nil
	}
	// Written so that NaN is refused.
	if !(c.Percent >= 0 && c.Percent <= 100) {
		return fmt.Errorf("percent %v is not between 0 and 100", c.Percent)
	}
	if !(c.Guard >= 0) {
		return fmt.Errorf("guard %v is not a number of percentage points", c.Guard)
	}
	return c.validateArms()
}

func (c Config) validateArms() error {
	arms := c.arms()
	for _, arm := range arms {
		if !IsArm(arm) {
			return fmt.Errorf("unknown arm %q (there are %s)", arm, strings.Join(Names(), ", "))
		}
	}
	if arms[0] == arms[1] {
		return errors.New("both arms are the same: there is nothing to compare")
	}
	return nil
}

// Names lists the arms that there are.
func Names() []string { return append([]string{Tango, Control}, ways...) }

// IsArm tells whether there is an arm of this name.
func IsArm(name string) bool { return slices.Contains(Names(), name) }

// arms are the configured ones or, where none are, those of every node.
func (c Config) arms() [2]string {
	if c.Arms == [2]string{} {
		return [2]string{Tango, Control}
	}
	return c.Arms
}

// Decision is the arm of one container.
type Decision struct {
	Arm string
	// Base is the arm that it is compared with; the same as Arm for a pod of the
	// second arm.
	Base string
	// Why is "default" without a rollout, "hash", or "disabled" where the pod's own
	// arm is switched off.
	Why string
}

// Reasons of a [Decision].
const (
	WhyDefault  = "default"
	WhyHash     = "hash"
	WhyDisabled = "disabled"
)

// Way is how the arm has root filesystems made; "" is as configured.
func (d Decision) Way() string {
	if slices.Contains(ways, d.Arm) {
		return d.Arm
	}
	return ""
}

// Stock tells whether the container is run as containerd's own shim would.
func (d Decision) Stock() bool { return d.Arm == Control }

// Assign puts a pod into an arm. pod is what names it: its UID.
func (c Config) Assign(pod string, s State) Decision {
	arms := c.arms()
	d := Decision{Arm: arms[0], Base: arms[1], Why: WhyDefault}
	if c.Active {
		d.Why = WhyHash
		if share(c.Seed, pod) >= c.Percent/100 {
			d.Arm = arms[1]
		}
	}
	if _, off := s.Disabled[d.Arm]; off {
		return s.instead(d, arms)
	}
	return d
}

// instead is the other arm or, where that is off as well, stock behaviour, which
// can't be switched off when nothing else is left.
func (s State) instead(d Decision, arms [2]string) Decision {
	other := arms[0]
	if d.Arm == arms[0] {
		other = arms[1]
	}
	if _, off := s.Disabled[other]; off {
		other = Control
	}
	return Decision{Arm: other, Base: arms[1], Why: WhyDisabled}
}

// share maps a pod to [0, 1), evenly.
func share(seed, pod string) float64 {
	sum := sha256.Sum256([]byte(seed + "\x00" + pod))
	const bits = 53 // of a float64's mantissa
	return float64(binary.BigEndian.Uint64(sum[:8])>>(64-bits)) / (1 << bits)
}
