// Command vm runs tango's tests on other kernels and other machines: it boots
// Debian's kernels under QEMU, runs the same test binaries in every guest, and
// prints a table of what passed where.
//
//	go run ./vm                       the whole matrix
//	go run ./vm -short                the subset that every commit runs
//	go run ./vm -kernel 6.12 -nodes 4 one kernel, on a machine of four nodes
//	go run ./vm -groups mounts        one test group
//	go run ./vm -list                 what there is
//	go run ./vm vagrant               check the Vagrantfile for each provider
//	go run ./vm provision             run all of provision.sh but the tests, in a chroot
//
// It needs root, and the packages that `provision.sh host` installs. Nothing
// outside its cache directory is written to. Without KVM the guests are emulated,
// which is about 20 times slower: it says what works, never how fast.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options is the command line.
type options struct {
	choice
	groups  string
	cache   string
	mirror  string
	flavour string
	guest   string
	append  string
	args    string
	json    string
	logs    string
	jobs    int
	timeout time.Duration
	refresh bool
	list    bool
}

func parseFlags() options {
	var o options
	home, _ := os.UserHomeDir()
	cache := os.Getenv("TANGO_VM_CACHE")
	if cache == "" {
		cache = filepath.Join(home, ".cache", "tango", "vm")
	}
	flag.StringVar(&o.Kernel, "kernel", "", "only machines with these `versions` of the kernel, such as 6.1,6.12")
	flag.StringVar(&o.Machine, "machine", "", "only the machines with these `names`, such as 6.12,6.12-systemd")
	flag.IntVar(&o.Nodes, "nodes", 0, "plain machines of this `number` of NUMA nodes")
	flag.BoolVar(&o.Short, "short", false, "the subset of machines and groups that every commit runs")
	flag.BoolVar(&o.All, "all", false, "all tests on each machine, also those that rows leave to others: an hour for each")
	flag.StringVar(&o.groups, "groups", "", "only these test groups, comma-separated `names`")
	flag.StringVar(&o.cache, "cache", cache, "`directory` of kernels and disks, also $TANGO_VM_CACHE")
	flag.StringVar(&o.mirror, "mirror", "", "Debian mirror `URL` (default: the one of this machine's apt)")
	flag.StringVar(&o.flavour, "flavour", "cloud-amd64", "`flavour` of the kernels, cloud-amd64 or amd64")
	flag.StringVar(&o.guest, "suite", "trixie", "Debian `suite` of the guests' disk")
	flag.StringVar(&o.append, "append", "", "more `words` for every guest's kernel command line")
	flag.StringVar(&o.args, "args", "", "more `arguments` for every test binary, such as '-test.run=Bind -test.failfast'")
	flag.StringVar(&o.json, "json", "", "write the results to this `file`")
	flag.StringVar(&o.logs, "logs", "", "`directory` for every guest's console and events (default: logs in the cache)")
	flag.IntVar(&o.jobs, "jobs", guestsAtOnce(), "guests at once")
	flag.DurationVar(&o.timeout, "timeout", 90*time.Minute, "longest life of one guest")
	flag.BoolVar(&o.refresh, "refresh", false, "look for newer packages of kernels that are cached")
	flag.BoolVar(&o.list, "list", false, "print machines and groups, and run nothing")
	flag.Parse()
	if o.mirror == "" {
		o.mirror = systemMirror()
	}
	if o.logs == "" {
		o.logs = filepath.Join(o.cache, "logs")
	}
	return o
}

func main() {
	o := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
}

// command runs the sub-command, the matrix where there is none.
func command(ctx context.Context, o options, args []string) error {
	root, err := repository()
	if err != nil {
		return err
	}
	switch {
	case o.list:
		printLists()
		return nil
	case len(args) == 0:
		return matrix(ctx, o, root)
	case len(args) == 1 && args[0] == "vagrant":
		return validateVagrant(ctx, root)
	case len(args) == 1 && args[0] == "provision":
		return rehearse(ctx, o, root)
	}
	return fmt.Errorf("unknown command %q", strings.Join(args, " "))
}

// repository returns the directory of module tango, above the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module tango\n") {
			return dir, nil
		}
	}
	return "", errors.New("cannot find the repository: run this inside it")
}

func printLists() {
	fmt.Println("machines (* in -short):")
	for _, m := range machines() {
		fmt.Printf("  %-16s%s %s\n", m.Name, star(m.Short), m.Why)
	}
	fmt.Println("groups (* in -short):")
	for _, g := range groups {
		fmt.Printf("  %-16s%s %s in %s\n", g.Name, star(g.Short), g.Pattern, g.Module)
	}
}

func star(yes bool) string {
	if yes {
		return "*"
	}
	return " "
}
