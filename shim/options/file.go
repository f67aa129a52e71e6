package options

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileName is the stock shim's name for the same thing.
const fileName = "options.json"

// Save writes c into the bundle, mode 0600, replacing what was there in one
// step: a reader sees the old file or the new one.
func Save(bundle string, c Config) error {
	if err := save(filepath.Join(bundle, fileName), c); err != nil {
		return fmt.Errorf("cannot save runtime options: %w", err)
	}
	return nil
}

func save(path string, c Config) (retErr error) {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+fileName+".")
	if err != nil {
		return err
	}
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(body)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Load reads what [Save] wrote. Without a file (a create that did not get that
// far) it returns the defaults and no error. Fields that only another version
// of the shim knows are passed over: delete has to work after an upgrade.
func Load(bundle string) (Config, error) {
	path := filepath.Join(bundle, fileName)
	body, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}.withDefaults(), nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("cannot load runtime options: %w", err)
	}
	var c Config
	if err := json.Unmarshal(body, &c); err != nil {
		return Config{}, fmt.Errorf("cannot load runtime options from %s: %w", path, err)
	}
	return c.withDefaults(), nil
}
