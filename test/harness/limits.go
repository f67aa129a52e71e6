package harness

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// heedHangUps has containerd, and so containers, not ignore SIGHUP where this process
// was started to (nohup): a signal with a handler is none any more after an exec.
var heedHangUps = sync.OnceFunc(func() {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
})

// lowerFiles gives this process, and so containerd, a soft limit of open files below
// the hard one, as services of systemd have it (LimitNOFILE= in systemd.exec(5)): what
// Go programs raise for themselves, and what programs in C don't.
var lowerFiles = sync.OnceValue(func() error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("cannot read the limit of open files: %w", err)
	}
	files.Cur = files.Max / 2
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("cannot lower the limit of open files to %d: %w", files.Cur, err)
	}
	return nil
})
