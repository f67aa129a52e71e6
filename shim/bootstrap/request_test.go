package bootstrap

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"tango/shim/options"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		println("bootstrap: a shim belongs to root: run its tests as root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func pack(t testing.TB, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := typeurl.MarshalAnyToProto(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func extensions(anys ...*anypb.Any) (list []*bootapi.Extension) {
	for _, a := range anys {
		list = append(list, &bootapi.Extension{Value: a})
	}
	return list
}

var testInvocation = &invocation{id: "pod", namespace: "k8s.io", address: "/run/flag.sock"}

func TestReadRequest(t *testing.T) {
	runc := &runcoptions.Options{SystemdCgroup: true, ShimCgroup: "/shims"}
	toml := &runtimeoptions.Options{ConfigBody: []byte("RunDir = '/run/other'\n")}
	params := func(change func(*bootapi.BootstrapParams)) *bootapi.BootstrapParams {
		p := &bootapi.BootstrapParams{InstanceID: "pod", Namespace: "k8s.io", ContainerdGrpcAddress: "/run/params.sock"}
		change(p)
		return p
	}
	defaults, err := options.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	older := request{id: "pod", address: "/run/flag.sock", socketDir: "/run/containerd/s", options: defaults}
	newer := older
	newer.address, newer.bootstrapping = "/run/params.sock", true
	tests := []struct {
		name  string
		stdin []byte
		from  request
		want  func(*request)
	}{
		{"older, nothing", nil, older, func(*request) {}},
		{"older, runc's options", encode(t, pack(t, runc)), older, func(r *request) { r.options.SystemdCgroup, r.options.ShimCgroup = true, "/shims" }},
		{"older, TOML", encode(t, pack(t, toml)), older, func(r *request) { r.options.RunDir = "/run/other" }},
		{"newer, plain", encode(t, params(func(*bootapi.BootstrapParams) {})), newer, func(*request) {}},
		{"newer, debug", encode(t, params(func(p *bootapi.BootstrapParams) { p.LogLevel = bootapi.LogLevel_LOG_LEVEL_DEBUG })), newer, func(r *request) { r.debug = true }},
		{"newer, trace", encode(t, params(func(p *bootapi.BootstrapParams) { p.LogLevel = bootapi.LogLevel_LOG_LEVEL_TRACE })), newer, func(r *request) { r.debug = true }},
		{"newer, warnings", encode(t, params(func(p *bootapi.BootstrapParams) { p.LogLevel = bootapi.LogLevel_LOG_LEVEL_WARN })), newer, func(*request) {}},
		{"newer, socket directory", encode(t, params(func(p *bootapi.BootstrapParams) { p.SocketDir = proto.String("/run/c/s") })), newer, func(r *request) { r.socketDir = "/run/c/s" }},
		{"newer, options among others", encode(t, params(func(p *bootapi.BootstrapParams) {
			p.Extensions = extensions(pack(t, &emptypb.Empty{}), pack(t, runc), &anypb.Any{TypeUrl: "for.somebody/else", Value: []byte{1}})
		})), newer, func(r *request) { r.options.SystemdCgroup, r.options.ShimCgroup = true, "/shims" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.from
			tt.want(&want)
			got, err := readRequest(testInvocation, bytes.NewReader(tt.stdin))
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestReadRequestRefuses(t *testing.T) {
	broken := &anypb.Any{TypeUrl: "containerd.runc.v1.Options", Value: []byte{0xff}}
	tests := []struct {
		name    string
		stdin   []byte
		failure string
	}{
		{"no protobuf", []byte("{}"), "cannot decode the runtime options on stdin"},
		{"options of another runtime", encode(t, pack(t, &emptypb.Empty{})), "unknown type"},
		{"broken options", encode(t, broken), "cannot decode containerd.runc.v1.Options"},
		{"broken options in newer params", encode(t, &bootapi.BootstrapParams{InstanceID: "pod", Namespace: "k8s.io", Extensions: extensions(broken)}), "cannot decode containerd.runc.v1.Options"},
		{"another container's params", encode(t, &bootapi.BootstrapParams{InstanceID: "other", Namespace: "k8s.io"}), "unknown type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := readRequest(testInvocation, bytes.NewReader(tt.stdin))
			if err == nil || !strings.Contains(err.Error(), tt.failure) {
				t.Errorf("got %+v, %v; want %q", r, err, tt.failure)
			}
		})
	}
	if _, err := readRequest(testInvocation, failing{}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stdin fails: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestReply(t *testing.T) {
	const address = "unix:///run/containerd/s/0123"
	var out bytes.Buffer
	if err := (request{}).reply(&out, address); err != nil {
		t.Fatal(err)
	}
	var old map[string]any
	if err := json.Unmarshal(out.Bytes(), &old); err != nil {
		t.Fatal(err)
	}
	if old["version"] != 2.0 || old["address"] != address || old["protocol"] != "ttrpc" || len(old) != 3 {
		t.Errorf("older: %v", old)
	}
	out.Reset()
	if err := (request{bootstrapping: true}).reply(&out, address); err != nil {
		t.Fatal(err)
	}
	var result bootapi.BootstrapResult
	if err := proto.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	if result.Version != 3 || result.Address != address || result.Protocol != "ttrpc" {
		t.Errorf("newer: %v", &result)
	}
}

func TestSocketDirIsRemembered(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"/run/first", "/run/second"} {
		if err := (request{socketDir: dir}).rememberSocketDir("."); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink("s"); err != nil || got != dir {
			t.Errorf("link to %s, %v; want %s", got, err, dir)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("{}"))
	f.Add(encode(f, pack(f, &runcoptions.Options{SystemdCgroup: true})))
	f.Add(encode(f, pack(f, &runtimeoptions.Options{ConfigBody: []byte("Way = 'plain'\n")})))
	f.Add(encode(f, &bootapi.BootstrapParams{InstanceID: "pod", Namespace: "k8s.io", Extensions: extensions(pack(f, &runcoptions.Options{}))}))
	f.Fuzz(func(t *testing.T, stdin []byte) {
		r, err := readRequest(testInvocation, bytes.NewReader(stdin))
		if err == nil && (r.id != "pod" || r.options.RunDir == "" || r.socketDir == "") {
			t.Errorf("incomplete: %+v", r)
		}
	})
}
