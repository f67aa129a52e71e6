package program

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"tango/test/machine"
)

// Header begins every report: when and on what something was measured.
type Header struct {
	Began   time.Time       `json:"began"`
	Machine machine.Machine `json:"machine"`
}

// NewHeader looks at the machine as it is now.
func NewHeader() (Header, error) {
	m, err := machine.Describe()
	return Header{Began: time.Now().UTC().Truncate(time.Second), Machine: m}, err
}

// Save writes a report as JSON; an empty path is no file.
func Save(path string, report any) error {
	if path == "" {
		return nil
	}
	data, err := json.MarshalIndent(report, "", "\t")
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// Load reads into report what Save has written.
func Load(path string, report any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, report); err != nil {
		return fmt.Errorf("cannot read the report %s: %w", path, err)
	}
	return nil
}
