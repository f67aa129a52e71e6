package operator

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"
)

const uninstallDescription = `Takes away what tango install wrote, and nothing else: a file that was changed
since stays, and is an error. While pods run on tango the shim stays, too, and
so does everything: containerd needs it to clean up after them.

Exit codes: 0 nothing of it is left, 1 failed, 2 usage.`

func uninstallCommand(where func() host) *cli.Command {
	var flags []cli.Flag
	for _, f := range installFlags(where()) {
		switch f.Names()[0] {
		case "root", "config", "drop-in-dir", "restart", "service", "dry-run", "json":
			flags = append(flags, f)
		}
	}
	return &cli.Command{
		Name:         "uninstall",
		Usage:        "take away what install wrote",
		Description:  uninstallDescription,
		Flags:        flags,
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			o := installOptions{
				root: c.String("root"), config: c.String("config"), dropInDir: c.String("drop-in-dir"),
				service: c.String("service"), restart: c.Bool("restart"), dryRun: c.Bool("dry-run"), json: c.Bool("json"),
				arm: ArmTango, containerd: "auto", systemd: "auto",
			}
			if err := errors.Join(noArguments(c), o.check()); err != nil {
				return usageError{err}
			}
			done, err := where().uninstall(ctx, o)
			return tellInstallation(c.Root().Writer, done, o.json, err)
		},
	}
}

// uninstall takes everything of the manifest away.
func (h host) uninstall(ctx context.Context, o installOptions) (*Installation, error) {
	o.containerd = "2" // which one it is matters to files that are written
	i, err := h.newInstaller(ctx, o)
	if err != nil {
		return nil, err
	}
	var done *Installation
	return done, i.stage.guarded(o.dryRun, func() (err error) {
		done, err = i.takeAway(ctx)
		return err
	})
}

// keepMainFile leaves the main file that install has made where others have put
// drop-in files beside ours: containerd reads them by it only.
func (i *installer) keepMainFile(changes []Change) {
	main := slices.IndexFunc(changes, func(c Change) bool { return c.Path == i.config && c.Action == Remove })
	if main < 0 {
		return
	}
	for _, file := range i.stage.glob(filepath.Join(i.dropInDir, "*.toml")) {
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.Path == file }) {
			changes[main].Action, changes[main].Why = Keep, "other drop-in files need it, such as "+file
			return
		}
	}
}

func (i *installer) takeAway(ctx context.Context) (*Installation, error) {
	m, err := i.stage.readManifest()
	if err != nil {
		return nil, err
	}
	changes, err := i.stage.plan(m, nil)
	if err != nil {
		return nil, err
	}
	i.keepMainFile(changes)
	done := &Installation{Root: i.root, DryRun: i.dryRun, Changes: changes, Steps: []Step{}, Service: i.unit()}
	if err := conflicts(changes); err != nil || len(changes) == 0 {
		return done, err
	}
	// Wherever the shim is, and whoever put it there: without its runtime in
	// containerd's configuration no container of a pod can be started again.
	if err := i.unused(func(path string) bool { return filepath.Base(path) == shimName }); err != nil {
		return done, err
	}
	done.Restart = changed(changes, i.isConfig)
	if i.dryRun {
		return done, nil
	}
	if err := i.stage.apply(m, changes); err != nil {
		return done, err
	}
	return done, i.restartContainerd(ctx, done)
}
