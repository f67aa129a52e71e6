package options

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"github.com/containerd/typeurl/v2"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// pack makes the Any that containerd sends.
func pack(t testing.TB, m proto.Message) typeurl.Any {
	t.Helper()
	a, err := typeurl.MarshalAny(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// body makes the message that CRI makes of a TOML table.
func body(t testing.TB, text string) typeurl.Any {
	t.Helper()
	return pack(t, &runtimeoptions.Options{ConfigBody: []byte(text)})
}

var defaults = Config{Way: WayAuto, RunDir: DefaultRunDir}

func TestNoOptions(t *testing.T) {
	for name, a := range map[string]typeurl.Any{
		"nil":          nil,
		"nil anypb":    (*anypb.Any)(nil),
		"empty":        &anypb.Any{},
		"empty runc":   pack(t, &runcoptions.Options{}),
		"empty config": pack(t, &runtimeoptions.Options{}),
		"empty table":  body(t, "# nothing\n"),
	} {
		if c, err := Parse(a); err != nil || c != defaults {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// full has every option that runc's message knows.
var full = Config{
	Root: "/run/state", SystemdCgroup: true, NoPivotRoot: true, NoNewKeyring: true,
	ShimCgroup: "/shims", IOUID: 1, IOGID: 4294967294,
	CriuPath: "/usr/bin/criu", CriuWorkPath: "/work", CriuImagePath: "/image",
	TaskAPIAddress: "ttrpc+unix:///run/x", TaskAPIVersion: 3, BinaryName: "crun",
	Way: WayAuto, RunDir: DefaultRunDir,
}

func TestRuncOptions(t *testing.T) {
	o := &runcoptions.Options{
		NoPivotRoot: true, NoNewKeyring: true, ShimCgroup: "/shims", IoUid: 1, IoGid: 4294967294,
		BinaryName: "crun", Root: "/run/state", SystemdCgroup: true,
		CriuImagePath: "/image", CriuWorkPath: "/work",
		TaskApiAddress: "ttrpc+unix:///run/x", TaskApiVersion: 3,
	}
	// As a containerd 1.x client encodes it.
	old := protowire.AppendTag(nil, criuPathField, protowire.BytesType)
	o.ProtoReflect().SetUnknown(protowire.AppendString(old, "/usr/bin/criu"))
	if c, err := Parse(pack(t, o)); err != nil || c != full {
		t.Errorf("got %+v, %v\nwant %+v", c, err, full)
	}
}

const fullTOML = `
Root = "/run/state"
SystemdCgroup = true
NoPivotRoot = true
NoNewKeyring = true
ShimCgroup = "/shims"
IoUid = 1
IoGid = 4294967294
CriuPath = "/usr/bin/criu"
CriuWorkPath = "/work"
CriuImagePath = "/image"
TaskApiAddress = "ttrpc+unix:///run/x"
TaskApiVersion = 3
BinaryName = "crun"
`

func TestTOML(t *testing.T) {
	if c, err := Parse(body(t, fullTOML)); err != nil || c != full {
		t.Errorf("got %+v, %v\nwant %+v", c, err, full)
	}
	want := Config{Way: WayPrivate, RunDir: "/elsewhere"}
	if c, err := Parse(body(t, "Way = 'private'\nRunDir = '/elsewhere'")); err != nil || c != want {
		t.Errorf("got %+v, %v\nwant %+v", c, err, want)
	}
}

// TestKeys holds the keys against the names that containerd's configuration
// accepts for runc.
func TestKeys(t *testing.T) {
	typ := reflect.TypeFor[runcoptions.Options]()
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() {
			if _, err := findKey(f.Name); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestCRI makes the message as containerd's CRI plugin does (see
// GenerateRuntimeOptions there): a table to TOML, that to the message, and the
// TOML into the body unless there is a path.
func TestCRI(t *testing.T) {
	file := write(t, "SystemdCgroup = true")
	for name, table := range map[string]map[string]any{
		"body":             {"SystemdCgroup": true},
		"body and type":    {"SystemdCgroup": true, "TypeUrl": TypeURL},
		"empty path":       {"SystemdCgroup": true, "ConfigPath": ""},
		"path":             {"ConfigPath": file},
		"path and type":    {"ConfigPath": file, "TypeUrl": "containerd.runc.v1.Options"},
		"path and another": {"ConfigPath": file, "NoPivotRoot": true}, // CRI drops it
	} {
		text, err := toml.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		var o runtimeoptions.Options
		if err := toml.Unmarshal(text, &o); err != nil {
			t.Fatal(err)
		}
		if o.ConfigPath == "" {
			o.ConfigBody = text
		}
		want := defaults
		want.SystemdCgroup = true
		if c, err := Parse(pack(t, &o)); err != nil || c != want {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tango.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRefusedTOML(t *testing.T) {
	for text, want := range map[string]string{
		"Rooot = '/x'":                   `cannot use runtime options in config_body: unknown key "Rooot" (accepted: ` + keyNames() + ")",
		"root = '/x'":                    `unknown key "root"`,
		"[Root]\nx = 1":                  "key Root: want a string, got a table (accepted keys: ",
		"Root = 1":                       "key Root: want a string, got an integer",
		"SystemdCgroup = 'true'":         "key SystemdCgroup: want true or false, got a string",
		"SystemdCgroup = [true]":         "key SystemdCgroup: want true or false, got an array",
		"IoUid = 1.5":                    "key IoUid: want an integer, got a float",
		"IoUid = -1":                     "key IoUid: -1 is out of range",
		"IoUid = 4294967296":             "key IoUid: 4294967296 is out of range",
		"IoGid = 4294967295":             "IoGid 4294967295 is not an id",
		"TaskApiVersion = true":          "key TaskApiVersion: want an integer, got a boolean",
		"TaskApiVersion = 4":             "unknown TaskApiVersion 4 (accepted: 2, 3)",
		"ShimCgroup = 2001-01-01":        "key ShimCgroup: want a string, got a date or time",
		"Root = 'relative'":              `Root "relative" is not an absolute path`,
		"RunDir = 'x'":                   `RunDir "x" is not an absolute path`,
		"Way = 'fast'":                   `unknown Way "fast" (accepted: auto, detached, private, options, plain)`,
		"a = \nb = 2":                    "cannot parse runtime options in config_body: line 1, column ",
		"Root = '/x'\nRoot = '/y'":       "config_body: ",
		"TypeUrl = 3":                    "key TypeUrl: want a string, got an integer",
		"TypeUrl = 'io.other'":           `unknown type_url "io.other"`,
		"ConfigPath = '/x'\nRoot = '/y'": "key ConfigPath: set, but not handed over as config_path",
	} {
		c, err := Parse(body(t, text))
		if err == nil || !strings.Contains(err.Error(), want) || c != (Config{}) {
			t.Errorf("%q:\n got %v, %+v\nwant %s", text, err, c, want)
		}
	}
}

func TestRefusedFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	big := write(t, strings.Repeat("#", maxFile+1))
	wrong := write(t, "Color = 'red'")
	for path, want := range map[string]string{
		"relative.toml":    `config_path "relative.toml" is not an absolute path`,
		dir + "/none.toml": "cannot read runtime options: open " + dir + "/none.toml: no such file or directory",
		dir:                dir + " is not a regular file",
		fifo:               fifo + " is not a regular file",
		big:                big + " is larger than 1048576 bytes",
		wrong:              "cannot use runtime options in " + wrong + `: unknown key "Color" (accepted: ` + keyNames() + ")",
	} {
		_, err := Parse(pack(t, &runtimeoptions.Options{ConfigPath: path}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", path, err, want)
		}
	}
}

func TestRefusedMessages(t *testing.T) {
	future := &runcoptions.Options{}
	future.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	for _, c := range []struct {
		any  typeurl.Any
		want string
	}{
		{pack(t, &runcoptions.CheckpointOptions{}), `unknown type "containerd.runc.v1.CheckpointOptions" of runtime options (accepted: ` + runcType + ", " + runtimeType + ")"},
		{&anypb.Any{Value: []byte("x")}, `unknown type ""`},
		{pack(t, &runtimeoptions.Options{TypeUrl: "io.other"}), `unknown type_url "io.other" in runtimeoptions.v1.Options`},
		{&anypb.Any{TypeUrl: runcType, Value: []byte{0xff}}, "cannot decode containerd.runc.v1.Options: "},
		{&anypb.Any{TypeUrl: "types.googleapis.com/" + runtimeType, Value: []byte{0xff}}, "cannot decode runtimeoptions.v1.Options: "},
		{pack(t, future), "cannot use containerd.runc.v1.Options: unknown field 99 (accepted keys: "},
		{pack(t, &runcoptions.Options{Root: "x"}), `cannot use containerd.runc.v1.Options: Root "x" is not an absolute path`},
	} {
		if _, err := Parse(c.any); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestKnown(t *testing.T) {
	for url, want := range map[string]bool{
		runcType: true, "x/" + runtimeType: true, "": false, "containerd.runc.v1.CheckpointOptions": false,
	} {
		if Known(url) != want {
			t.Errorf("Known(%q) = %v", url, !want)
		}
	}
}

// FuzzParse has to end in a valid Config or an error, whatever the message.
func FuzzParse(f *testing.F) {
	add := func(a typeurl.Any) { f.Add(a.GetTypeUrl(), a.GetValue()) }
	add(body(f, fullTOML))
	add(body(f, "Way = 'plain'\n[x]\ny = [1, {z = 2}]\n"))
	add(pack(f, &runtimeoptions.Options{TypeUrl: TypeURL, ConfigPath: "/dev/null"}))
	add(pack(f, &runcoptions.Options{Root: "/x", IoUid: 7, SystemdCgroup: true}))
	f.Add("", []byte(nil))
	f.Add("x/"+runcType, []byte{0x42, 0x01, 'c'})
	f.Fuzz(func(t *testing.T, url string, value []byte) {
		c, err := Parse(&anypb.Any{TypeUrl: url, Value: value})
		if err != nil {
			if c != (Config{}) {
				t.Fatalf("a Config beside the error: %+v", c)
			}
			return
		}
		if err := c.Validate(); err != nil || c.Way == "" || c.RunDir == "" {
			t.Fatalf("%+v: %v", c, err)
		}
		checkRoundTrip(t, c)
	})
}

// FuzzBody does the same for the text alone, which a fuzzer reaches better
// without the message around it.
func FuzzBody(f *testing.F) {
	f.Add(fullTOML)
	f.Add("IoUid = 0x10\nRoot = \"\"\"/a\\u0041\"\"\"")
	f.Add("TypeUrl = ''\nConfigPath = ''")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(body(t, text))
		if err == nil && c.Validate() != nil {
			t.Fatalf("%+v: %v", c, c.Validate())
		}
	})
}
