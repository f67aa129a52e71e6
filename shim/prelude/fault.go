//go:build faults

package prelude

// #cgo CFLAGS: -DTANGO_FAULTS
import "C"
