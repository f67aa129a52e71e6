package operator

import (
	"fmt"
	"strings"

	"tango/deploy"
)

// Arm is which shim the runtime named tango leads to.
type Arm string

// The arms.
const (
	ArmTango Arm = "tango"
	ArmStock Arm = "stock" // containerd's own shim and runc: tango is switched off
)

// dropIn is one of containerd's files in deploy/, fitted to a machine.
type dropIn struct {
	name    string
	systemd bool   // cgroups are made by systemd
	shim    string // path of the shim, where containerd would not find it by itself
}

// nameOf is the file in deploy/ for an arm.
func nameOf(arm Arm) string {
	if arm == ArmStock {
		return "tango-stock.toml"
	}
	return "tango.toml"
}

// render gives the file's text.
func (d dropIn) render() (string, error) {
	content, err := deploy.Containerd.ReadFile("containerd/" + d.name)
	if err != nil {
		return "", err
	}
	text := string(content)
	if !d.systemd {
		text = strings.Replace(text, "SystemdCgroup = true", "SystemdCgroup = false", 1)
	}
	tangos := fmt.Sprintf("  runtime_type = '%s'\n", runtimeType)
	if d.shim != "" {
		text = strings.Replace(text, tangos, tangos+fmt.Sprintf("  runtime_path = %s\n", tomlString(d.shim)), 1)
	}
	return text, nil
}

// snippet is the same for containerd 1.7's own file, which takes drop-ins in but
// replaces a plugin's whole table by theirs.
func (d dropIn) snippet() (string, error) {
	text, err := d.render()
	if err != nil {
		return "", err
	}
	_, text, _ = strings.Cut(text, "version = 3\n\n")
	return strings.ReplaceAll(text, criPlugin(3), criPlugin(2)), nil
}

// tomlString is a TOML string of any text without control characters.
func tomlString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
