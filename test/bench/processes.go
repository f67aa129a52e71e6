package main

import (
	"context"
	"fmt"
	"time"
)

// quietTimeout is how long what a deleted container leaves for later (its
// shim's end) may take.
const quietTimeout = 30 * time.Second

// quiet waits until no shim runs but those of the resident pods.
func (b *bench) quiet(ctx context.Context) error {
	deadline := time.Now().Add(quietTimeout)
	for {
		serving, err := b.node.Shims()
		if err != nil || len(serving) <= len(b.sides) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d shims still run after their containers were deleted", len(serving)-len(b.sides))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
