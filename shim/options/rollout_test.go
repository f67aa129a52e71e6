package options

import (
	"strings"
	"testing"

	"tango/shim/rollout"
)

func TestRollout(t *testing.T) {
	for text, want := range map[string]rollout.Config{
		`rollout = { percent = 10 }`: {Active: true, Percent: 10},
		`rollout = { percent = 0.5, seed = "a", arms = ["tango", "control"] }`: {Active: true, Percent: 0.5, Seed: "a", Arms: [2]string{"tango", "control"}},
		"[rollout]\npercent = 0\nguard = 2.5\narms = ['detached', 'private']":  {Active: true, Guard: 2.5, Arms: [2]string{"detached", "private"}},
	} {
		c, err := Parse(body(t, text))
		if err != nil || c.Rollout != want {
			t.Errorf("%s: %+v, %v", text, c.Rollout, err)
		}
		checkRoundTrip(t, c)
	}
}

func TestRolloutRefused(t *testing.T) {
	for text, want := range map[string]string{
		`rollout = 10`:                                       "want a table, got an integer",
		`rollout = { seed = "x" }`:                           "percent is missing",
		`rollout = { percent = 101 }`:                        "percent 101",
		`rollout = { percent = nan }`:                        "percent NaN",
		`rollout = { percent = "10" }`:                       "want a number, got a string",
		`rollout = { percent = 1, seed = 1 }`:                "key seed",
		`rollout = { percent = 1, arms = "tango" }`:          "want an array",
		`rollout = { percent = 1, arms = ["tango"] }`:        "want two arms",
		`rollout = { percent = 1, arms = ["tango", 1] }`:     "want a string",
		`rollout = { percent = 1, arms = ["tango", "x"] }`:   `unknown arm "x"`,
		`rollout = { percent = 1, percentage = 2 }`:          `unknown key "percentage"`,
		`rollout = { percent = 1, guard = -1 }`:              "guard -1",
		`rollout = { percent = 1, arms = ["plain","plain"]}`: "the same",
	} {
		_, err := Parse(body(t, text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "rollout") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
