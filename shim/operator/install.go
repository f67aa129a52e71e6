package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"
)

const installDescription = `Puts the shim and this command where containerd finds them, and adds a runtime
named tango to the configuration of containerd 2.x by a file of its own in
conf.d. containerd 1.7 can't take that in: for it, the lines to add by hand are
printed. Running containers are not touched.

What was written is noted, with checksums, in ` + manifestFile + `.
Only those files are ever replaced or removed; any other file that is in the
way, or one that was changed since, is an error, and nothing is changed then.
A second run changes only what differs.

To take tango back at once, for new pods, and leave running pods as they are:
  tango install --arm stock --restart

Exit codes: 0 installed; 1 failed; 2 usage; 3 installed, but containerd does
not see it before the steps that are printed are taken.`

// exitSteps is the exit code of an install that leaves steps to a person.
const exitSteps = 3

// errSteps says that steps are left, which were printed.
var errSteps = errors.New("steps are left")

// installOptions are what the flags of install and uninstall say.
type installOptions struct {
	root, from, binDir, config, dropInDir, service string
	arm                                            Arm
	control, dryRun, restart, json                 bool
	containerd, systemd                            string // as told: "auto" or an answer
}

func installFlags(h host) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Usage: "install into `DIR`, a machine's root directory that is not this one's", Value: "/", TakesFile: true},
		&cli.StringFlag{Name: "from", Usage: "take the programs from `DIR`", Value: h.self, DefaultText: "where this command is", TakesFile: true},
		&cli.StringFlag{Name: "bin-dir", Usage: "put them into `DIR`", DefaultText: "where they are if containerd looks there, else " + defaultBinDir},
		&cli.StringFlag{Name: "config", Usage: "containerd's main configuration `FILE`", Value: h.config},
		&cli.StringFlag{Name: "drop-in-dir", Usage: "`DIR` for containerd's additional files", DefaultText: "conf.d beside the main file"},
		&cli.StringFlag{Name: "arm", Usage: "what the runtime leads to: tango, or stock to switch tango off", Value: string(ArmTango)},
		&cli.BoolFlag{Name: "control", Usage: "add a runtime tango-control, with containerd's own shim, to compare with"},
		&cli.StringFlag{Name: "containerd", Usage: "its release: 1.7, 2 or auto", Value: "auto"},
		&cli.StringFlag{Name: "systemd-cgroup", Usage: "have cgroups made by systemd: true, false or auto (as the runtime runc has it)", Value: "auto"},
		&cli.BoolFlag{Name: "restart", Usage: "restart containerd if its configuration changed"},
		&cli.StringFlag{Name: "service", Usage: "the `UNIT` that is restarted", Value: "containerd.service"},
		&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and change nothing"},
		&cli.BoolFlag{Name: "json", Usage: "print what was done as JSON"},
	}
}

func installCommand(where func() host) *cli.Command {
	return &cli.Command{
		Name:         "install",
		Usage:        "put the shim and its configuration in place",
		Description:  installDescription,
		Flags:        installFlags(where()),
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			o, err := installArguments(c)
			if err != nil {
				return err
			}
			done, err := where().install(ctx, o)
			return tellInstallation(c.Root().Writer, done, o.json, err)
		},
	}
}

func installArguments(c *cli.Command) (installOptions, error) {
	o := installOptions{
		root: c.String("root"), from: c.String("from"), binDir: c.String("bin-dir"),
		config: c.String("config"), dropInDir: c.String("drop-in-dir"), service: c.String("service"),
		arm: Arm(c.String("arm")), control: c.Bool("control"), dryRun: c.Bool("dry-run"),
		restart: c.Bool("restart"), json: c.Bool("json"),
		containerd: c.String("containerd"), systemd: c.String("systemd-cgroup"),
	}
	if err := errors.Join(noArguments(c), o.check()); err != nil {
		return o, usageError{err}
	}
	return o, nil
}

// check refuses what can't be meant.
func (o *installOptions) check() error {
	for flag, choice := range map[string][]string{
		"arm":            {string(o.arm), string(ArmTango), string(ArmStock)},
		"containerd":     {o.containerd, "auto", "1.7", "2"},
		"systemd-cgroup": {o.systemd, "auto", "true", "false"},
	} {
		if err := oneOf(flag, choice[0], choice[1:]); err != nil {
			return err
		}
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	o.root = root
	for flag, path := range map[string]string{"bin-dir": o.binDir, "config": o.config, "drop-in-dir": o.dropInDir} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("--%s %q is not an absolute path", flag, path)
		}
	}
	return nil
}

func oneOf(flag, value string, choices []string) error {
	for _, c := range choices {
		if value == c {
			return nil
		}
	}
	return fmt.Errorf("--%s %q is none of %q", flag, value, choices)
}

// Installation is what install or uninstall did, or would do.
type Installation struct {
	Root   string `json:"root"`
	DryRun bool   `json:"dryRun,omitempty"`
	// Containerd is the release that the files are made for: "1.7", "2", or empty
	// where that did not matter.
	Containerd string   `json:"containerd,omitempty"`
	Arm        Arm      `json:"arm,omitempty"`
	Changes    []Change `json:"changes"`
	// Steps are what a person has to do before containerd sees it.
	Steps []Step `json:"steps"`
	// Restart tells that containerd has to be restarted, and was not.
	Restart bool `json:"restart"`
	// Service is the systemd unit to restart, where systemd runs the machine.
	Service string `json:"service,omitempty"`
	// Restarted tells that it was.
	Restarted bool `json:"restarted,omitempty"`
}

// Step is something to do by hand.
type Step struct {
	What     string   `json:"what"`
	Commands []string `json:"commands,omitempty"` // run as root by a shell
	Text     string   `json:"text,omitempty"`     // lines to add to a file
}

// install brings the stage into the state that the options say.
func (h host) install(ctx context.Context, o installOptions) (*Installation, error) {
	i, err := h.newInstaller(ctx, o)
	if err != nil {
		return nil, err
	}
	files, err := i.files()
	if err != nil {
		return nil, err
	}
	var done *Installation
	return done, i.stage.guarded(o.dryRun, func() (err error) {
		done, err = i.run(ctx, files)
		return err
	})
}

// guarded runs f, locked if it changes anything.
func (s stage) guarded(dryRun bool, f func() error) error {
	if dryRun {
		return f()
	}
	return s.locked(f)
}

func (i *installer) run(ctx context.Context, files []wanted) (*Installation, error) {
	m, err := i.stage.readManifest()
	if err != nil {
		return nil, err
	}
	changes, err := i.stage.plan(m, files)
	if err != nil {
		return nil, err
	}
	done := &Installation{Root: i.root, DryRun: i.dryRun, Containerd: i.release, Arm: i.arm, Changes: changes, Service: i.unit()}
	if err := errors.Join(conflicts(changes), i.stillNeeded(changes)); err != nil {
		return done, err
	}
	if done.Steps, err = i.steps(changes); err != nil {
		return done, err
	}
	done.Restart = i.restartNeeded(changes)
	if i.dryRun {
		return done, nil
	}
	m.Version, _ = buildVersion()
	if err := i.stage.apply(m, changes); err != nil {
		return done, err
	}
	return done, i.restartContainerd(ctx, done)
}

// unit is the one to restart, if systemd runs the machine. Another tree's is not asked:
// what it becomes is not known.
func (i *installer) unit() string {
	if c, err := i.host.cgroups(); i.stage == "/" && (err != nil || !c.Systemd) {
		return ""
	}
	return i.service
}

// restartContainerd does it where that was asked for.
func (i *installer) restartContainerd(ctx context.Context, done *Installation) error {
	if !i.restart || !done.Restart {
		return nil
	}
	c, err := i.stage.command(ctx, "systemctl", "restart", i.service)
	if err != nil {
		return fmt.Errorf("cannot restart containerd: %w", err)
	}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot restart containerd (%s): %w: %s", c, err, out)
	}
	done.Restart, done.Restarted = false, true
	return nil
}

// defaultBinDir is where the programs go.
const defaultBinDir = "/usr/local/bin"

// readProgram reads one that is to be installed.
func readProgram(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot find what to install (make build makes it; --from names another directory): %w", err)
	}
	if len(content) < 4 || string(content[:4]) != "\x7fELF" {
		return nil, fmt.Errorf("cannot install %s: it is no ELF program", path)
	}
	return content, nil
}
