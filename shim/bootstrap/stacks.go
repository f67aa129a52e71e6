package bootstrap

import (
	"runtime"

	"github.com/containerd/log"
)

// dumpStacks writes the stacks of all goroutines to the log.
func dumpStacks() {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			log.L.Infof("=== BEGIN goroutine stack dump ===\n%s\n=== END goroutine stack dump ===", buf[:n])
			return
		}
		buf = make([]byte, 2*len(buf))
	}
}
