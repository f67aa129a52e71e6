package service

import (
	"os"
	"path/filepath"
	"time"
)

// stallMark is a file by which the processes of a host tell one another that the
// service did not answer: most have one thing to ask in all their life, and would
// each lose as much time with it as the first.
type stallMark string

func markIn(dir string) stallMark {
	return stallMark(filepath.Join(dir, socketName(Version)+".stalled"))
}

// set says that the service stalls now. Where that can't be said, others find out
// for themselves.
func (m stallMark) set() {
	if f, err := os.OpenFile(string(m), os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = f.Close()
		now := time.Now()
		_ = os.Chtimes(string(m), now, now)
	}
}

// until is when a service should be asked again that stalled, as it seems, a moment
// ago; zero if it did not. pause is how long that is. A time to come is no reason to
// wait: somebody has set the clock.
func (m stallMark) until(pause time.Duration) time.Time {
	st, err := os.Lstat(string(m))
	if err != nil {
		return time.Time{}
	}
	since := time.Since(st.ModTime())
	if since < 0 || since >= pause {
		return time.Time{}
	}
	return time.Now().Add(pause - since)
}

// clear says that the service answers.
func (m stallMark) clear() { _ = os.Remove(string(m)) }
