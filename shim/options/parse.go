package options

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// TypeURL may stand as type_url in runtimeoptions.v1.Options (TypeUrl in
// containerd's configuration), to say that the TOML is meant for tango. It may
// be left out as well.
const TypeURL = "io.containerd.tango.v2.Options"

// The message types that Parse takes.
const (
	runcType    = "containerd.runc.v1.Options"
	runtimeType = "runtimeoptions.v1.Options"
)

// criuPathField is the number that criu_path had in containerd.runc.v1.Options
// until containerd 2.0 reserved it; 1.x clients still send it.
const criuPathField = 8

// Parse reads the options of a request. a may be nil or empty: defaults.
// Errors name the file or message, the key, and the keys there are.
func Parse(a typeurl.Any) (Config, error) {
	c, err := parse(a)
	if err != nil {
		return Config{}, err
	}
	return c.withDefaults(), nil
}

func parse(a typeurl.Any) (Config, error) {
	if a == nil || (a.GetTypeUrl() == "" && len(a.GetValue()) == 0) {
		return Config{}, nil
	}
	url := a.GetTypeUrl()
	switch typeName(url) {
	case runcType:
		return fromRunc(a.GetValue())
	case runtimeType:
		return fromRuntime(a.GetValue())
	}
	return Config{}, fmt.Errorf("unknown type %q of runtime options (accepted: %s, %s)", url, runcType, runtimeType)
}

// typeName is what comes after the last slash of a type URL.
func typeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// fromRunc reads the message that the stock shim takes.
func fromRunc(body []byte) (Config, error) {
	var o runcoptions.Options
	if err := proto.Unmarshal(body, &o); err != nil {
		return Config{}, fmt.Errorf("cannot decode %s: %w", runcType, err)
	}
	criuPath, err := oldFields(o.ProtoReflect().GetUnknown())
	if err != nil {
		return Config{}, fmt.Errorf("cannot use %s: %w", runcType, err)
	}
	c := Config{
		Root:           o.GetRoot(),
		SystemdCgroup:  o.GetSystemdCgroup(),
		NoPivotRoot:    o.GetNoPivotRoot(),
		NoNewKeyring:   o.GetNoNewKeyring(),
		ShimCgroup:     o.GetShimCgroup(),
		IOUID:          int(o.GetIoUid()),
		IOGID:          int(o.GetIoGid()),
		CriuPath:       criuPath,
		CriuWorkPath:   o.GetCriuWorkPath(),
		CriuImagePath:  o.GetCriuImagePath(),
		TaskAPIAddress: o.GetTaskApiAddress(), //nolint:staticcheck // deprecated for containerd's side only
		TaskAPIVersion: o.GetTaskApiVersion(), //nolint:staticcheck // as above
		BinaryName:     o.GetBinaryName(),
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("cannot use %s: %w", runcType, err)
	}
	return c, nil
}

// oldFields reads what the current message has no name for: criu_path, and
// nothing else. A field that is set and not understood is an unknown key.
func oldFields(unknown []byte) (criuPath string, err error) {
	for len(unknown) > 0 {
		number, wire, n := protowire.ConsumeTag(unknown)
		if n < 0 {
			return "", protowire.ParseError(n)
		}
		unknown = unknown[n:]
		if number != criuPathField || wire != protowire.BytesType {
			return "", fmt.Errorf("unknown field %d (accepted keys: %s)", number, keyNames())
		}
		value, n := protowire.ConsumeString(unknown)
		if n < 0 {
			return "", protowire.ParseError(n)
		}
		criuPath, unknown = value, unknown[n:]
	}
	return criuPath, nil
}

// fromRuntime reads the generic message: a file if config_path names one,
// config_body otherwise.
func fromRuntime(body []byte) (Config, error) {
	var o runtimeoptions.Options
	if err := proto.Unmarshal(body, &o); err != nil {
		return Config{}, fmt.Errorf("cannot decode %s: %w", runtimeType, err)
	}
	if err := checkTypeURL(o.GetTypeUrl()); err != nil {
		return Config{}, err
	}
	if path := o.GetConfigPath(); path != "" {
		return fromFile(filepath.Clean(path))
	}
	return fromBody(o.GetConfigBody())
}

// checkTypeURL tells whether the inner type_url is one whose TOML we know.
func checkTypeURL(url string) error {
	name := typeName(url)
	for _, known := range []string{"", TypeURL, runcType, runtimeType} {
		if strings.EqualFold(name, known) {
			return nil
		}
	}
	return fmt.Errorf("unknown type_url %q in %s (accepted: %s, %s, or none)", url, runtimeType, TypeURL, runcType)
}

// fromBody reads config_body. CRI puts the whole options table of its own
// configuration there, TypeUrl included when that is set without a ConfigPath
// (GenerateRuntimeOptions in containerd's internal/cri/config), so the two
// keys of the envelope are let through here.
func fromBody(body []byte) (Config, error) {
	table, err := decode("config_body", body)
	if err != nil {
		return Config{}, err
	}
	if err := dropEnvelope(table); err != nil {
		return Config{}, fmt.Errorf("cannot use runtime options in config_body: %w", err)
	}
	return fromTable("config_body", table)
}

func dropEnvelope(table map[string]any) error {
	if v, ok := table["TypeUrl"]; ok {
		url, ok := v.(string)
		if !ok {
			return fmt.Errorf("key TypeUrl: %w", typeError("a string", v))
		}
		if err := checkTypeURL(url); err != nil {
			return err
		}
		delete(table, "TypeUrl")
	}
	if v, ok := table["ConfigPath"]; ok {
		if v != "" {
			return errors.New("key ConfigPath: set, but not handed over as config_path")
		}
		delete(table, "ConfigPath")
	}
	return nil
}
