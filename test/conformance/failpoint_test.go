package main

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestCreateCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := createCommand(nil); err == nil {
		t.Error("no error without a container")
	}
	if err := os.MkdirAll("state/id", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("state/id/state.json", []byte(`{"id":"id","init_process_pid":42}`), 0o600); err != nil {
		t.Fatal(err)
	}
	command, err := createCommand(nil)
	if err != nil || command[0] != "create" {
		t.Errorf("command %q, %v", command, err)
	}
	if pid, err := os.ReadFile("init.pid"); err != nil || string(pid) != "42" {
		t.Errorf("pid %q, %v", pid, err)
	}
}

func TestExecCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	env := []string{"A=1", "B=two words"}
	command, err := execCommand(env)
	if err != nil || len(command) != 4 || command[0] != "exec" || command[1] != "--process" {
		t.Fatalf("command %q, %v", command, err)
	}
	data, err := os.ReadFile(command[2])
	if err != nil {
		t.Fatal(err)
	}
	var p specs.Process
	if err := json.Unmarshal(data, &p); err != nil || !slices.Equal(p.Env, env) {
		t.Errorf("environment %q, %v", p.Env, err)
	}
}

// A container that doesn't name runc-fp is left alone.
func TestFailpointOfOthers(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("options.json", []byte(`{"BinaryName":"runc"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for point := range failpoints {
		if err := runFailpoint(point, nil); err != nil {
			t.Errorf("%s: %v", point, err)
		}
	}
}

func TestSplitInjected(t *testing.T) {
	plain, apart := splitInjected([]string{"TestA", "TestIssue9103", "TestB"})
	if !slices.Equal(plain, []string{"TestA", "TestB"}) || !slices.Equal(apart, []string{"TestIssue9103"}) {
		t.Errorf("%q and %q", plain, apart)
	}
}
