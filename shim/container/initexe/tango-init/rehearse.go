package main

import (
	"encoding/json"
	"os"
	"strconv"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"
)

// configuration is what libcontainer tells an init, as far as it is made of types: its
// initConfig, which is not exported.
type configuration struct {
	Config       *configs.Config       `json:"config"`
	Capabilities *configs.Capabilities `json:"capabilities"`
	Rlimits      []configs.Rlimit      `json:"rlimits"`
}

// example has one of each type that the configuration of most containers has.
const example = `{
"capabilities": {"Bounding": [""]}, "rlimits": [{}],
"config": {
	"mounts": [{}], "devices": [{}], "namespaces": [{"type": "NEWNS"}], "uid_mappings": [{}], "gid_mappings": [{}],
	"cgroups": {"devices": [{}]}, "capabilities": {}, "rlimits": [{}], "sysctl": {"": ""}, "Hooks": {},
	"networks": [{}], "seccomp": {"architectures": [""], "syscalls": [{"args": [{}]}]}
}}`

// rehearse reads the example, if there is time for that. libcontainer moves the process of
// an exec into the container's cgroups before it tells it what to be, and where cgroups are
// of version 1 that waits for the kernel (see primeCgroupLock of package container). Meanwhile
// encoding/json finds out about all these types, for 0.6 ms, which else it would do after that.
func rehearse() {
	if isExec() && !told() {
		_ = json.Unmarshal([]byte(example), new(configuration))
	}
}

// isExec tells whether this is a process that joins a container.
func isExec() bool { return os.Getenv("_LIBCONTAINER_INITTYPE") == "setns" }

// told tells whether the configuration has come, or can't.
func told() bool {
	fd, err := strconv.ParseInt(os.Getenv("_LIBCONTAINER_INITPIPE"), 10, 32)
	if err != nil {
		return true
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err != nil || n > 0
}
