package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"strconv"
	"testing"

	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// structs are the types of all structs in a value that are there.
func structs(v reflect.Value, found map[reflect.Type]bool) map[reflect.Type]bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			structs(v.Elem(), found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			structs(v.Index(i), found)
		}
	case reflect.Struct:
		found[v.Type()] = true
		for i := range v.NumField() {
			structs(v.Field(i), found)
		}
	}
	return found
}

// usualSpec is a container as containerd makes them: with devices of its own, limits, a
// seccomp profile and a user namespace.
func usualSpec() *specs.Spec {
	spec := specconv.Example()
	mapping := []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = mapping, mapping
	spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "0"}
	spec.Linux.Seccomp = &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Op: specs.OpEqualTo}}}},
	}
	return spec
}

// TestExampleHasTheUsualTypes wants nothing to be left to find out about a usual container.
func TestExampleHasTheUsualTypes(t *testing.T) {
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: "example", Spec: usualSpec()})
	if err != nil {
		t.Fatal(err)
	}
	var rehearsed configuration
	decoder := json.NewDecoder(bytes.NewReader([]byte(example)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&rehearsed); err != nil {
		t.Fatalf("the example is not what libcontainer reads: %v", err)
	}
	usual := configuration{Config: config, Capabilities: config.Capabilities, Rlimits: config.Rlimits}
	known := structs(reflect.ValueOf(rehearsed), make(map[reflect.Type]bool))
	for met := range structs(reflect.ValueOf(usual), make(map[reflect.Type]bool)) {
		if !known[met] {
			t.Errorf("the example has no %s", met)
		}
	}
}

// TestToldInTime wants no rehearsal where the configuration is there already.
func TestToldInTime(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	t.Setenv("_LIBCONTAINER_INITPIPE", strconv.Itoa(int(r.Fd())))
	if told() {
		t.Error("told, with nothing in the pipe")
	}
	if _, err := io.WriteString(w, "{}"); err != nil {
		t.Fatal(err)
	}
	if !told() {
		t.Error("not told, with the configuration in the pipe")
	}
	t.Setenv("_LIBCONTAINER_INITPIPE", "no number")
	if !told() {
		t.Error("not told, without a pipe")
	}
}
