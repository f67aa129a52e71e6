package operator

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v3"

	"tango/mounts/kernel"
	"tango/mounts/service"
	"tango/mounts/topology"
	"tango/mounts/worker"
	"tango/rootfs/remote"
)

const mountServiceDescription = `Builds root filesystems by this host's mount workers, and lends their turns to
all shims, until it is told to end, in place of the service that shims start by
themselves. It serves the socket that systemd hands over, or makes it:
DIR/mounts/mount.v1.sock. It builds for those only who have the same mount
namespace, capabilities and security label.

Shims do without it where it is not there. deploy/systemd has units for it.

Exit codes: 0 when told to end; 1 failed, or another process serves; 2 usage.`

func mountServiceCommand(stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "mount-service", Usage: "build root filesystems for shims, and lend them the mount workers' turns", Description: mountServiceDescription,
		Flags: []cli.Flag{
			runDirFlag(),
			&cli.IntFlag{Name: "abreast", Usage: "`NUMBER` of containers on a NUMA node that may mount at once; 0 is a node's CPUs, at least 4"},
		},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return serveMounts(ctx, c.String("run-dir"), c.Int("abreast"), stderr)
		},
	}
}

func serveMounts(ctx context.Context, runDir string, abreast int, stderr io.Writer) error {
	machine, err := topology.ReadNodes(topology.Roots{})
	if err != nil {
		return err
	}
	if abreast <= 0 {
		abreast = worker.UsualAbreast(machine)
	}
	workers, err := worker.Open(machine, worker.Config{Abreast: abreast})
	if err != nil {
		return err
	}
	defer workers.Close()
	l, err := mountListener(runDir)
	if err != nil {
		return err
	}
	features, err := kernel.DetectOnce(filepath.Join(runDir, "kernel"))
	if err != nil {
		fmt.Fprintln(stderr, "some abilities of this kernel could not be found out:", err)
	}
	return remote.Serve(ctx, l, remote.Config{Workers: workers, Features: features}, func(line string) { fmt.Fprintln(stderr, line) })
}

// mountListener takes the socket of a supervisor, by systemd's convention
// (sd_listen_fds(3)), or makes it.
func mountListener(runDir string) (*service.Listener, error) {
	if os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) && os.Getenv("LISTEN_FDS") == "1" {
		return service.ListenerFromFile(os.NewFile(3, "socket of the supervisor"))
	}
	if err := os.MkdirAll(runDir, 0o711); err != nil {
		return nil, err
	}
	return service.Listen(filepath.Join(runDir, "mounts"))
}
