package options

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"
)

// maxFile bounds what is read from a configuration file, in bytes. Fifteen
// keys never need it; a config_path that is a disk image does.
const maxFile = 1 << 20

// fromFile reads the TOML file at path, which must be absolute: the shim's
// working directory is the bundle, not where the configuration was written.
func fromFile(path string) (Config, error) {
	if !filepath.IsAbs(path) {
		return Config{}, fmt.Errorf("config_path %q is not an absolute path", path)
	}
	body, err := readFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("cannot read runtime options: %w", err)
	}
	return fromTOML(path, body)
}

// readFile refuses what is not a regular file; O_NONBLOCK so that a fifo
// without a writer does not hold up the open.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return body, nil
}

// fromTOML reads body; source names it in errors.
func fromTOML(source string, body []byte) (Config, error) {
	table, err := decode(source, body)
	if err != nil {
		return Config{}, err
	}
	return fromTable(source, table)
}

// decode only parses: values as TOML types them.
func decode(source string, body []byte) (map[string]any, error) {
	var table map[string]any
	if err := toml.Unmarshal(body, &table); err != nil {
		return nil, fmt.Errorf("cannot parse runtime options in %s: %w", source, syntaxError(err))
	}
	return table, nil
}

// fromTable goes through the keys in order, so that of two errors always the
// same one is told.
func fromTable(source string, table map[string]any) (Config, error) {
	var c Config
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if err := apply(&c, name, table[name]); err != nil {
			return Config{}, fmt.Errorf("cannot use runtime options in %s: %w", source, err)
		}
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("cannot use runtime options in %s: %w", source, err)
	}
	return c, nil
}

// apply sets one key, with the key in the error.
func apply(c *Config, name string, value any) error {
	k, err := findKey(name)
	if err != nil {
		return err
	}
	if err := k.set(c, value); err != nil {
		return fmt.Errorf("key %s: %w (accepted keys: %s)", name, err, keyNames())
	}
	return nil
}

// syntaxError adds where in the text the parser stopped.
func syntaxError(err error) error {
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return err
	}
	row, column := decode.Position()
	if key := strings.Join(decode.Key(), "."); key != "" {
		return fmt.Errorf("line %d, column %d, key %s: %w", row, column, key, err)
	}
	return fmt.Errorf("line %d, column %d: %w", row, column, err)
}
