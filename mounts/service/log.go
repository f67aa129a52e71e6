package service

import (
	"fmt"
	"sync"
	"time"
)

// sparingLog prints each kind of line once in a while, however often it happens.
type sparingLog struct {
	out   func(string)
	every time.Duration

	mu    sync.Mutex
	kinds map[string]*logged // guarded by mu
}

type logged struct {
	at     time.Time
	silent int // since then
}

func newSparingLog(out func(string), every time.Duration) *sparingLog {
	return &sparingLog{out: out, every: every, kinds: make(map[string]*logged)}
}

// print prints that what happened, and why this time. what must be a constant.
func (l *sparingLog) print(what string, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[what]
	if k == nil {
		k = &logged{}
		l.kinds[what] = k
	}
	if !k.at.IsZero() && time.Since(k.at) < l.every {
		k.silent++
		return
	}
	line := fmt.Sprintf("mount service: %s: %v", what, why)
	if k.silent > 0 {
		line += fmt.Sprintf(" (and %d times more)", k.silent)
	}
	k.at, k.silent = time.Now(), 0
	l.out(line)
}
