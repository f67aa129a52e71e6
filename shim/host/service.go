package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/mountns"
	"tango/mounts/pidref"
	"tango/shim/container/sealed"
)

const (
	idle  = 30 * time.Second // without any shim, then it ends
	every = 5 * time.Second  // is how often it looks
	// settle is when the first shim has made the template, mostly.
	settle = 500 * time.Millisecond
)

// service is a running one.
type service struct {
	Config
	server     *server
	idle       time.Duration
	releaseExe func()
	template   *mountns.Template // nil until there is one
	looked     bool              // whether one has been looked for
	snapshots  string            // where snapshots were made when it was; "": not known
	thrift     thrift
}

// Main is the service. It returns when it is no longer needed, at once if another
// one runs. handle answers what is relayed; coming is called when a container may be
// about to come, and must not block.
func Main(args []string, handle Handler, coming func()) error {
	return serve(args, handle, coming, idle)
}

// serve is Main, until there has been no shim for so long.
func serve(args []string, handle Handler, coming func(), idle time.Duration) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGTERM, unix.SIGINT)
	c, err := ParseConfig(args)
	if err != nil {
		return err
	}
	lock, err := c.lock()
	if err != nil || lock == nil {
		return err
	}
	defer lock.Close()
	defer os.Remove(lock.Name())
	own := c.findCgroup()
	defer own.leave()
	if err := fault.Point("service.begin"); err != nil {
		return err
	}
	s := &service{Config: c, idle: idle}
	if err := s.holdExecutable(); err != nil {
		return err
	}
	defer s.release()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.server, err = newServer(ctx, c, own, handle); err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.server.run(ctx)
	}()
	workersEnded := runWorkers(ctx, c.RunDir)
	go c.announce(ctx, coming)
	defer os.Remove(snapshotsLink(c.RunDir))
	go s.enlargePages()
	s.wait(told)
	cancel()
	<-served
	workersEnded()
	return nil
}

// holdExecutable lists this process as one that runs from the sealed binary.
func (s *service) holdExecutable() error {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer exe.Close()
	s.releaseExe, err = s.Executables.Add(os.Getpid(), "exe", exe)
	return err
}

// enlargePages has what shims and containers start from lie in huge pages. Where that
// can't be had all works as well, so nobody is told but who debugs.
func (s *service) enlargePages() {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return
	}
	defer exe.Close()
	err = errors.Join(sealed.EnlargePages(exe), s.server.warm.enlargePages())
	if err != nil {
		log.L.WithError(err).Debug("host service: processes start from small pages")
	}
}

// holdTemplate becomes a holder of the template that shims use, or makes it: another one
// when they have said that snapshots are made elsewhere.
func (s *service) holdTemplate() {
	snapshots, _ := os.Readlink(snapshotsLink(s.RunDir)) // not known yet
	if s.looked && s.snapshots == snapshots {
		return
	}
	s.looked, s.snapshots = true, snapshots
	t, err := OpenTemplate(s.RunDir, s.Bundles)
	if err != nil {
		log.L.WithError(err).Warn("host service: cannot keep a template mount namespace")
		return
	}
	if s.template != nil {
		_ = s.template.Close()
	}
	s.template = t
}

// registries list who holds what the service keeps.
func (s *service) registries() []pidref.Dir {
	if s.template == nil {
		return []pidref.Dir{s.Executables}
	}
	return []pidref.Dir{s.Executables, s.template.Registry()}
}

func (s *service) release() {
	registries := s.registries()
	if s.template != nil {
		_ = s.template.Close()
	}
	s.releaseExe()
	for _, dir := range registries {
		dir.Sweep()
	}
}

// wait returns when no shim has held anything for the idle time, the run directory
// is gone, or somebody says so by SIGTERM.
func (s *service) wait(told <-chan os.Signal) {
	first, tick := time.NewTimer(settle), time.NewTicker(min(every, s.idle/4))
	defer first.Stop()
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-told:
			return
		case <-first.C:
			s.holdTemplate()
		case <-tick.C:
			s.thrift.look(s.server.asked.Load())
			s.holdTemplate()
			if s.used() {
				last = time.Now()
			}
			if time.Since(last) >= s.idle || s.gone() {
				return
			}
		}
	}
}

// used tells whether a shim is among the holders. Other services and warm shims
// don't count: they would never end.
func (s *service) used() bool {
	for _, dir := range s.registries() {
		if slices.ContainsFunc(dir.Holders(), isShim) {
			return true
		}
	}
	return false
}

func isShim(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(string(line), "\x00")
	return err == nil && len(args) > 1 && args[1] != Action && args[1] != WarmAction
}

func (s *service) gone() bool {
	_, err := os.Lstat(string(s.Executables))
	return os.IsNotExist(err)
}
