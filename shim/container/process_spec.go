package container

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// newProcess converts a process of the spec for libcontainer.
func newProcess(p *specs.Process) (*libcontainer.Process, error) {
	rlimits, err := newRlimits(p.Rlimits)
	if err != nil {
		return nil, err
	}
	affinity, err := configs.ConvertCPUAffinity(p.ExecCPUAffinity)
	if err != nil {
		return nil, err
	}
	lp := &libcontainer.Process{
		Args:             p.Args,
		Env:              p.Env,
		UID:              int(p.User.UID),
		GID:              int(p.User.GID),
		AdditionalGroups: additionalGroups(p.User),
		Cwd:              p.Cwd,
		Capabilities:     newCapabilities(p.Capabilities),
		Label:            p.SelinuxLabel,
		NoNewPrivileges:  &p.NoNewPrivileges,
		AppArmorProfile:  p.ApparmorProfile,
		Rlimits:          rlimits,
		Scheduler:        p.Scheduler,
		IOPriority:       p.IOPriority,
		CPUAffinity:      affinity,
		LogLevel:         strconv.Itoa(int(logrus.GetLevel())),
	}
	if p.ConsoleSize != nil {
		lp.ConsoleWidth = uint16(p.ConsoleSize.Width)
		lp.ConsoleHeight = uint16(p.ConsoleSize.Height)
	}
	return lp, nil
}

func additionalGroups(u specs.User) []int {
	var groups []int
	for _, g := range u.AdditionalGids {
		groups = append(groups, int(g))
	}
	return groups
}

func newCapabilities(c *specs.LinuxCapabilities) *configs.Capabilities {
	if c == nil {
		return nil
	}
	return &configs.Capabilities{
		Bounding:    c.Bounding,
		Effective:   c.Effective,
		Inheritable: c.Inheritable,
		Permitted:   c.Permitted,
		Ambient:     c.Ambient,
	}
}

var rlimitTypes = map[string]int{
	"RLIMIT_AS":         unix.RLIMIT_AS,
	"RLIMIT_CORE":       unix.RLIMIT_CORE,
	"RLIMIT_CPU":        unix.RLIMIT_CPU,
	"RLIMIT_DATA":       unix.RLIMIT_DATA,
	"RLIMIT_FSIZE":      unix.RLIMIT_FSIZE,
	"RLIMIT_LOCKS":      unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK":    unix.RLIMIT_MEMLOCK,
	"RLIMIT_MSGQUEUE":   unix.RLIMIT_MSGQUEUE,
	"RLIMIT_NICE":       unix.RLIMIT_NICE,
	"RLIMIT_NOFILE":     unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC":      unix.RLIMIT_NPROC,
	"RLIMIT_RSS":        unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO":     unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME":     unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING,
	"RLIMIT_STACK":      unix.RLIMIT_STACK,
}

func newRlimits(limits []specs.POSIXRlimit) ([]configs.Rlimit, error) {
	var out []configs.Rlimit
	for _, l := range limits {
		kind, ok := rlimitTypes[l.Type]
		if !ok {
			return nil, fmt.Errorf("wrong rlimit value: %s", l.Type)
		}
		out = append(out, configs.Rlimit{Type: kind, Hard: l.Hard, Soft: l.Soft})
	}
	return out, nil
}
