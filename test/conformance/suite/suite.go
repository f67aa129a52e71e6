//go:build suite

// Package suite holds the import that keeps the dependencies of the suite's
// tests in go.mod. Nothing builds it: the conformance program builds the
// imported package's test binary.
package suite

import _ "github.com/containerd/containerd/v2/integration/client"
