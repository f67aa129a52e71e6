package options

import (
	"fmt"
	"maps"
	"slices"
)

// rolloutKeys are the keys of the table rollout. percent must be there; a rollout
// of everything is what one has without any.
var rolloutKeys = map[string]func(*Config, any) error{
	"percent": func(c *Config, v any) error { return setNumber(&c.Rollout.Percent, v) },
	"guard":   func(c *Config, v any) error { return setNumber(&c.Rollout.Guard, v) },
	"seed":    text(func(c *Config) *string { return &c.Rollout.Seed }),
	"arms":    setArms,
}

// setRollout reads rollout = { percent = 10, seed = "...", arms = ["...", "..."] }.
func setRollout(c *Config, value any) error {
	table, ok := value.(map[string]any)
	if !ok {
		return typeError("a table", value)
	}
	if _, ok := table["percent"]; !ok {
		return fmt.Errorf("percent is missing: how many of the pods are in the first arm")
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		set, ok := rolloutKeys[name]
		if !ok {
			return fmt.Errorf("unknown key %q (accepted: %q)", name, slices.Sorted(maps.Keys(rolloutKeys)))
		}
		if err := set(c, table[name]); err != nil {
			return fmt.Errorf("key %s: %w", name, err)
		}
	}
	c.Rollout.Active = true
	return nil
}

// setNumber takes an integer as well: 10 and 10.0 mean the same to people.
func setNumber(field *float64, value any) error {
	switch n := value.(type) {
	case int64:
		*field = float64(n)
	case float64:
		*field = n
	default:
		return typeError("a number", value)
	}
	return nil
}

func setArms(c *Config, value any) error {
	list, ok := value.([]any)
	if !ok {
		return typeError("an array", value)
	}
	if len(list) != len(c.Rollout.Arms) {
		return fmt.Errorf("want two arms, the one to try and the one to compare it with, got %d", len(list))
	}
	for i, v := range list {
		name, ok := v.(string)
		if !ok {
			return typeError("a string", v)
		}
		c.Rollout.Arms[i] = name
	}
	return nil
}
