package operator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// steps are what a person has to do so that containerd takes in what is installed.
func (i *installer) steps(changes []Change) ([]Step, error) {
	steps := []Step{}
	switch {
	case i.release == "1.7":
		if i.runtimeIn17() {
			return steps, nil
		}
		text, err := i.dropInFor(nameOf(i.arm)).snippet()
		return append(steps, Step{
			What: fmt.Sprintf("Add these lines to %s, then restart containerd. (1.7 would let a drop-in file replace all other runtimes.)", i.config),
			Text: text,
		}), err
	case !i.newMain && !i.imported(i.dropIn):
		steps = append(steps, i.importStep())
	}
	return steps, nil
}

// runtimeIn17 tells whether the main file has the runtime of this arm already.
func (i *installer) runtimeIn17() bool {
	want := runtimeType
	if i.arm == ArmStock {
		want = stockType
	}
	list := i.runtimes("tango")
	return len(list) > 0 && list[len(list)-1]["runtime_type"] == want
}

// stockType is the runtime type of containerd's own shim.
const stockType = "io.containerd.runc.v2"

// importStep is how the main file, which is not install's to change, gets to take in
// the drop-in files.
func (i *installer) importStep() Step {
	pattern := tomlString(filepath.Join(i.dropInDir, "*.toml"))
	if len(i.parts) > 0 && len(i.parts[0].Imports) > 0 {
		return Step{
			What: fmt.Sprintf("containerd does not read %s: add %s to the list of imports in %s, then restart containerd.", i.dropInDir, pattern, i.config),
		}
	}
	return Step{
		What:     fmt.Sprintf("containerd does not read %s. Have its main file import that, then restart containerd:", i.dropInDir),
		Commands: []string{fmt.Sprintf("sed -i '1i imports = [%s]' %s", pattern, quote(i.config))},
	}
}

// bundlesDir is where containerd 1.7 and 2.x keep bundles, below its state directory.
const bundlesDir = "io.containerd.runtime.v2.task"

// stillNeeded refuses to take a shim away while containers run on it: containerd
// executes it once more to clean up after each.
func (i *installer) stillNeeded(changes []Change) error {
	gone := make(map[string]bool)
	for _, c := range changes {
		gone[c.Path] = c.Action == Remove && filepath.Base(c.Path) == shimName
	}
	return i.unused(func(shim string) bool { return gone[shim] })
}

// unused is an error if anything runs on one of the shims that are meant.
func (i *installer) unused(meant func(path string) bool) error {
	users, err := i.bundlesOf(meant)
	if err != nil || len(users) == 0 {
		return err
	}
	const most = 5
	listed := strings.Join(users[:min(most, len(users))], ", ")
	if len(users) > most {
		listed += ", ..."
	}
	return fmt.Errorf("cannot take tango away: %s on it still (%s), and containerd needs it for them. "+
		"To keep new pods off it: tango install --arm stock --restart. Drain the node, then uninstall", runs(len(users)), listed)
}

func runs(n int) string {
	if n == 1 {
		return "1 container or pod runs"
	}
	return fmt.Sprintf("%d containers and pods run", n)
}

// bundlesOf are those that containerd made with the shims that are meant, as
// NAMESPACE/ID.
func (i *installer) bundlesOf(meant func(path string) bool) ([]string, error) {
	state, err := i.stage.path(filepath.Join(i.stateDir(), bundlesDir))
	if err != nil {
		return nil, err
	}
	// A file in each bundle names the program. The pattern is well formed.
	notes, _ := filepath.Glob(filepath.Join(state, "*", "*", "shim-binary-path"))
	var users []string
	for _, note := range notes {
		program, err := os.ReadFile(note)
		if errors.Is(err, os.ErrNotExist) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("cannot find out what runs: %w", err)
		}
		if meant(string(bytes.TrimSpace(program))) {
			bundle := filepath.Dir(note)
			users = append(users, filepath.Base(filepath.Dir(bundle))+"/"+filepath.Base(bundle))
		}
	}
	return users, nil
}

// startedBefore tells whether a process with this name, that runs with the same
// configuration as is being looked at, began before a moment.
func (h host) startedBefore(name string, moment time.Time) bool {
	boot, ok := h.bootTime()
	if !ok {
		return false
	}
	names, _ := filepath.Glob(filepath.Join(h.roots.Proc, "[0-9]*", "comm"))
	for _, comm := range names {
		dir := filepath.Dir(comm)
		if text, err := os.ReadFile(comm); err != nil || strings.TrimSpace(string(text)) != name || !h.usesConfig(dir) {
			continue
		}
		if ticks, ok := startTicks(dir); ok && boot.Add(ticks).Before(moment) {
			return true
		}
	}
	return false
}

// usesConfig tells whether containerd, as started, reads the configuration file.
func (h host) usesConfig(proc string) bool {
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	for n, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		if flag != "--config" && flag != "-config" && flag != "-c" {
			continue
		}
		if !joined && n+1 < len(args) {
			value = args[n+1]
		}
		return value == h.config
	}
	return err == nil && h.config == defaultConfig
}

// userTicks is the kernel's USER_HZ, the same for all architectures that containerd
// is made for.
const userTicks = 100

// startTicks is when a process began, since boot: field 22 of its stat.
func startTicks(proc string) (time.Duration, bool) {
	text, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return 0, false
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return 0, false
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	return time.Duration(ticks) * time.Second / userTicks, err == nil
}

// bootTime is when the machine booted, to the second.
func (h host) bootTime() (time.Time, bool) {
	text, err := os.ReadFile(filepath.Join(h.roots.Proc, "stat"))
	if err != nil {
		return time.Time{}, false
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return time.Unix(seconds, 0), err == nil
		}
	}
	return time.Time{}, false
}
