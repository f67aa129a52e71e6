package integration

import (
	"testing"

	"tango/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
