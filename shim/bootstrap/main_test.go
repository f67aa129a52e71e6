package bootstrap

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/runc/libcontainer/capabilities"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/seccomp"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// runMain runs Main and returns its status and what it wrote to stderr.
func runMain(t *testing.T, args ...string) (int, string) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stderr := os.Stderr
	os.Stderr = f
	defer func() { os.Stderr = stderr }()
	status := Main(append([]string{"containerd-shim-tango-v2"}, args...))
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return status, string(data)
}

func TestMainRefuses(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		failure string
	}{
		{"no namespace", []string{"-id", "x", "start"}, "namespace cannot be empty"},
		{"unknown action", []string{"-namespace", "ns", "-id", "x", "stop"}, `unknown action "stop": must be start or delete`},
		{"unknown flag", []string{"-namespace", "ns", "-nonsense"}, "flag provided but not defined: -nonsense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, stderr := runMain(t, tt.args...)
			if status != 1 || !strings.Contains(stderr, tt.failure) || !strings.HasPrefix(stderr, RuntimeType+": ") {
				t.Errorf("status %d, stderr %q; want 1, %q", status, stderr, tt.failure)
			}
		})
	}
}

func TestStartWithoutASpecLeavesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	inv := &invocation{binary: "shim", action: "start", id: "x", namespace: "ns"}
	var out bytes.Buffer
	if err := start(t.Context(), inv, caller{dir: ".", stdin: strings.NewReader(""), stdout: &out}); err == nil || !strings.Contains(err.Error(), "OCI spec") {
		t.Errorf("err %v", err)
	}
	if names, _ := os.ReadDir("."); len(names) != 0 || out.Len() != 0 {
		t.Errorf("bundle has %v, stdout %q", names, out.String())
	}
}

func TestParseInvocation(t *testing.T) {
	inv, err := parseInvocation([]string{"/bin/shim", "-namespace", "k8s.io", "-address", "/run/c.sock", "-publish-binary", "/bin/containerd", "-id", "x", "-bundle", "/b", "-debug", "delete"})
	if err != nil {
		t.Fatal(err)
	}
	if inv.binary != "/bin/shim" || inv.action != "delete" || inv.id != "x" || inv.namespace != "k8s.io" || inv.address != "/run/c.sock" || !inv.debug || inv.bundle != "/b" {
		t.Errorf("got %+v", inv)
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := printVersion(&out, "containerd-shim-tango-v2"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"containerd-shim-tango-v2:\n", "Version:  " + Version, "Revision: " + Revision, "Go version: go"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in %q", want, out.String())
		}
	}
	for _, flag := range []string{"-v", "-version", "--version"} {
		if inv, err := parseInvocation([]string{"shim", flag}); err != nil || !inv.version {
			t.Errorf("%s: %+v, %v", flag, inv, err)
		}
	}
}

// askInfo runs -info with these options and decodes the answer.
func askInfo(t *testing.T, stdin []byte) (*types.RuntimeInfo, *features.Features) {
	t.Helper()
	var out bytes.Buffer
	if err := info(bytes.NewReader(stdin), &out); err != nil {
		t.Fatal(err)
	}
	var ri types.RuntimeInfo
	if err := proto.Unmarshal(out.Bytes(), &ri); err != nil {
		t.Fatal(err)
	}
	v, err := typeurl.UnmarshalAny(ri.Features)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := v.(*features.Features)
	if !ok {
		t.Fatalf("features are a %T", v)
	}
	return &ri, f
}

func TestInfo(t *testing.T) {
	ri, _ := askInfo(t, nil)
	if ri.Name != RuntimeType || ri.Version.GetVersion() != Version || ri.Version.GetRevision() != Revision || ri.Options != nil {
		t.Errorf("got %v", ri)
	}
	if got := ri.Annotations[schemesAnnotation]; got != "fifo,file,binary,binary-v2" {
		t.Errorf("output schemes %q", got)
	}
	opts := pack(t, &runcoptions.Options{SystemdCgroup: true})
	if ri, _ := askInfo(t, encode(t, opts)); !proto.Equal(ri.Options, opts) {
		t.Errorf("options %v, want %v back", ri.Options, opts)
	}
}

// Nothing is claimed but what the libcontainer in this binary has.
func TestInfoClaimsOnlyWhatThereIs(t *testing.T) {
	_, f := askInfo(t, nil)
	lists := map[string][2][]string{
		"hooks":         {f.Hooks, configs.KnownHookNames()},
		"mount options": {f.MountOptions, specconv.KnownMountOptions()},
		"namespaces":    {f.Linux.Namespaces, specconv.KnownNamespaces()},
		"capabilities":  {f.Linux.Capabilities, capabilities.KnownCapabilities()},
	}
	if s := f.Linux.Seccomp; (s != nil && *s.Enabled) != seccomp.Enabled {
		t.Errorf("seccomp %+v, built in: %v", s, seccomp.Enabled)
	} else if s != nil {
		lists["seccomp actions"] = [2][]string{s.Actions, seccomp.KnownActions()}
		lists["seccomp flags"] = [2][]string{s.SupportedFlags, seccomp.SupportedFlags()}
	}
	for name, l := range lists {
		got, want := slices.Sorted(slices.Values(l[0])), slices.Sorted(slices.Values(l[1]))
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if !slices.Contains(f.MountOptions, "rro") { // containerd's CRI plugin asks for it
		t.Error("recursive read-only mounts are missing")
	}
	if m := f.Linux.MountExtensions; m == nil || !*m.IDMap.Enabled {
		t.Errorf("mount extensions %+v", m)
	}
}

func TestInfoRefuses(t *testing.T) {
	tests := map[string][]byte{
		"cannot decode":             []byte("{}"),
		"they have no type":         encode(t, &anypb.Any{Value: []byte{1}}),
		"unknown type":              encode(t, &anypb.Any{TypeUrl: "x"}),
		"cannot read runtime optio": nil,
	}
	for failure, stdin := range tests {
		var in io.Reader = bytes.NewReader(stdin)
		if stdin == nil {
			in = failing{}
		}
		if err := info(in, io.Discard); err == nil || !strings.Contains(err.Error(), failure) {
			t.Errorf("%q: %v, want %q", stdin, err, failure)
		}
	}
}
