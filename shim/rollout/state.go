package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// State is which arms are switched off on this node, and by whom. It lives in the
// run directory: a reboot forgets it.
type State struct {
	Disabled map[string]Switch `json:"disabled,omitempty"`
}

// Switch says who switched an arm off.
type Switch struct {
	By  string    `json:"by"` // ByHand or ByGuard
	At  time.Time `json:"at"`
	Why string    `json:"why,omitempty"`
}

// Who switches arms off.
const (
	ByHand  = "hand"
	ByGuard = "guard"
)

const (
	stateFile = "rollout.json"
	lockFile  = "rollout.lock"
	maxState  = 1 << 16 // bytes
)

// LoadState reads the state of the node. Where nothing was ever switched off there
// is no file, which is no error.
func LoadState(runDir string) (State, error) {
	path := filepath.Join(runDir, stateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("cannot read which arms are switched off: %w", err)
	}
	var s State
	if len(data) > maxState {
		return State{}, fmt.Errorf("cannot use %s: it is larger than %d bytes", path, maxState)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("cannot use %s (remove it to switch all arms on): %w", path, err)
	}
	return s, nil
}

// Disable switches an arm off for every container that is created from now on. One
// that is off already stays as it is, and changed is false.
func Disable(runDir, arm string, sw Switch) (changed bool, _ error) {
	if !IsArm(arm) {
		return false, fmt.Errorf("cannot disable %q: there is no such arm (there are %q)", arm, Names())
	}
	return change(runDir, func(s *State) bool {
		if _, off := s.Disabled[arm]; off {
			return false
		}
		if s.Disabled == nil {
			s.Disabled = map[string]Switch{}
		}
		s.Disabled[arm] = sw
		return true
	})
}

// Enable switches an arm on again.
func Enable(runDir, arm string) (changed bool, _ error) {
	if !IsArm(arm) {
		return false, fmt.Errorf("cannot enable %q: there is no such arm (there are %q)", arm, Names())
	}
	return change(runDir, func(s *State) bool {
		_, off := s.Disabled[arm]
		delete(s.Disabled, arm)
		return off
	})
}

// change rewrites the state in one step, one process at a time.
func change(runDir string, edit func(*State) bool) (changed bool, _ error) {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return false, fmt.Errorf("cannot switch an arm: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(runDir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("cannot switch an arm: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return false, fmt.Errorf("cannot lock %s: %w", lock.Name(), err)
	}
	s, err := LoadState(runDir)
	if err != nil {
		return false, err
	}
	if !edit(&s) {
		return false, nil
	}
	return true, s.save(runDir)
}

func (s State) save(runDir string) (retErr error) {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(runDir, "."+stateFile+".")
	if err != nil {
		return fmt.Errorf("cannot save which arms are switched off: %w", err)
	}
	defer func() {
		if retErr != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot save which arms are switched off: %w", err)
	}
	return os.Rename(f.Name(), filepath.Join(runDir, stateFile))
}
