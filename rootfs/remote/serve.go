package remote

import (
	"context"

	"tango/mounts/service"
)

// Serve is [service.Serve] of one that builds root filesystems, and lends the turn
// of the same workers. It takes l over, and returns when ctx has ended and all is
// given back.
func Serve(ctx context.Context, l *service.Listener, c Config, log func(line string)) error {
	b, err := NewBuilder(c)
	if err != nil {
		l.Close()
		return err
	}
	defer b.Close()
	return service.Serve(ctx, l, service.Config{Workers: c.Workers, Work: b.Work, Log: log})
}
