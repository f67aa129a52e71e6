package options

import (
	"fmt"
	"math"
	"strings"
)

// key is one name that the TOML form accepts, and where its value goes.
type key struct {
	name string
	set  func(*Config, any) error
}

// keys are spelled as containerd's CRI configuration spells runc's options
// (the Go field names of containerd.runc.v1.Options), then tango's own.
var keys = []key{
	{"BinaryName", text(func(c *Config) *string { return &c.BinaryName })},
	{"CriuImagePath", text(func(c *Config) *string { return &c.CriuImagePath })},
	{"CriuPath", text(func(c *Config) *string { return &c.CriuPath })},
	{"CriuWorkPath", text(func(c *Config) *string { return &c.CriuWorkPath })},
	{"IoGid", id(func(c *Config) *int { return &c.IOGID })},
	{"IoUid", id(func(c *Config) *int { return &c.IOUID })},
	{"NoNewKeyring", flag(func(c *Config) *bool { return &c.NoNewKeyring })},
	{"NoPivotRoot", flag(func(c *Config) *bool { return &c.NoPivotRoot })},
	{"Root", text(func(c *Config) *string { return &c.Root })},
	{"ShimCgroup", text(func(c *Config) *string { return &c.ShimCgroup })},
	{"SystemdCgroup", flag(func(c *Config) *bool { return &c.SystemdCgroup })},
	{"TaskApiAddress", text(func(c *Config) *string { return &c.TaskAPIAddress })},
	{"TaskApiVersion", setTaskAPIVersion},
	{"MountWork", text(func(c *Config) *string { return &c.MountWork })},
	{"RunDir", text(func(c *Config) *string { return &c.RunDir })},
	{"Way", text(func(c *Config) *string { return &c.Way })},
	{"rollout", setRollout},
}

// keyNames lists what is accepted, for error messages.
func keyNames() string {
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// findKey looks name up as it is spelled. A near miss in case is an error on
// purpose: two spellings of one key in one file would have no order.
func findKey(name string) (key, error) {
	for _, k := range keys {
		if k.name == name {
			return k, nil
		}
	}
	return key{}, fmt.Errorf("unknown key %q (accepted: %s)", name, keyNames())
}

func text(field func(*Config) *string) func(*Config, any) error {
	return func(c *Config, value any) error {
		s, ok := value.(string)
		if !ok {
			return typeError("a string", value)
		}
		*field(c) = s
		return nil
	}
}

func flag(field func(*Config) *bool) func(*Config, any) error {
	return func(c *Config, value any) error {
		b, ok := value.(bool)
		if !ok {
			return typeError("true or false", value)
		}
		*field(c) = b
		return nil
	}
}

func id(field func(*Config) *int) func(*Config, any) error {
	return func(c *Config, value any) error {
		n, err := number(value)
		if err != nil {
			return err
		}
		*field(c) = int(n)
		return nil
	}
}

func setTaskAPIVersion(c *Config, value any) error {
	n, err := number(value)
	if err != nil {
		return err
	}
	c.TaskAPIVersion = n
	return nil
}

// number takes an integer that fits the protobuf form's uint32.
func number(value any) (uint32, error) {
	n, ok := value.(int64)
	if !ok {
		return 0, typeError("an integer", value)
	}
	if n < 0 || n > math.MaxUint32 {
		return 0, fmt.Errorf("%d is out of range (0 to %d)", n, uint32(math.MaxUint32))
	}
	return uint32(n), nil
}

// typeError names the TOML type that value has instead of the wanted one.
func typeError(want string, value any) error {
	return fmt.Errorf("want %s, got %s", want, tomlType(value))
}

func tomlType(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}
