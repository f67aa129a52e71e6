package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// runcFPName is the suite's program that injects failures. Tests have the stock shim start
// it in runc's place, by the option BinaryName; it calls runc itself.
const runcFPName = "runc-fp"

// failpoints are the points of tango's shim (package mounts/fault) where runc-fp has its
// part: each has the command with which the stock shim would have called it there.
var failpoints = map[string]func(about []string) (command []string, err error){
	"create.started": createCommand, // the first process is there, and nobody knows it
	"exec.launch":    execCommand,   // the start was asked for, and nothing is there
}

// failpointMain is the program that the shim runs at such a point, in the bundle.
func failpointMain(point string, about []string) int {
	if err := runFailpoint(point, about); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 1
	}
	return 0
}

// runFailpoint runs runc-fp if the container's BinaryName names it. What runc-fp calls as
// runc does nothing, since tango has done that, or does it when this has ended.
func runFailpoint(point string, about []string) error {
	options, err := os.ReadFile("options.json")
	if err != nil || !strings.Contains(string(options), `"`+runcFPName+`"`) {
		return err
	}
	command, err := failpoints[point](about)
	if err != nil {
		return err
	}
	args := append([]string{"--root", "state", "--log", "/dev/stderr"}, command...)
	cmd := exec.Command(filepath.Join(inside, "bin", runcFPName), args...)
	cmd.Env = []string{"PATH=" + filepath.Join(inside, "bin", idleRunc)}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// createCommand is called as the container's first process waits for its start; runc-fp
// reads its pid from the file that the stock shim has runc write.
func createCommand([]string) ([]string, error) {
	states, err := filepath.Glob("state/*/state.json")
	if err != nil || len(states) != 1 {
		return nil, fmt.Errorf("the bundle has the states of %d containers, want one", len(states))
	}
	data, err := os.ReadFile(states[0])
	if err != nil {
		return nil, err
	}
	var state struct {
		Pid int `json:"init_process_pid"`
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("cannot read the container's state: %w", err)
	}
	return []string{"create", "container"}, os.WriteFile("init.pid", fmt.Append(nil, state.Pid), 0o600)
}

// execCommand hands over the process, of which runc-fp reads the environment.
func execCommand(env []string) ([]string, error) {
	data, err := json.Marshal(specs.Process{Env: env})
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(".", "process-")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	return []string{"exec", "--process", f.Name(), "container"}, errors.Join(err, f.Close())
}
