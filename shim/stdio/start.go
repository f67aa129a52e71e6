package stdio

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/log"
)

// Started says that the process has its ends, and makes the connections: it
// closes the shim's copies of the ends, receives the terminal, opens fifos and
// starts to copy. It waits until each output fifo has a reader, 30 s and ctx
// permitting. After an error the IO is good for Close only.
func (s *IO) Started(ctx context.Context) error {
	s.start.Lock()
	defer s.start.Unlock()
	if s.started || s.life.Err() != nil {
		return fmt.Errorf("cannot start io: %w", os.ErrClosed)
	}
	s.started = true
	closeAll(s.child.files()...)
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	if s.config.Spec.Terminal {
		return s.startTerminal(ctx)
	}
	return s.startPipes(ctx)
}

// openStdin opens the fifo that the process's input comes from, nil if there
// is none, and keeps its write end for CloseStdin.
func (s *IO) openStdin() (*os.File, error) {
	path := s.config.Spec.Stdin
	if path == "" {
		return nil, nil
	}
	r, keeper, err := openReader(path)
	if err != nil {
		return nil, fmt.Errorf("failed to open stdin fifo %s: %w", path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeper = keeper
	if s.stdinIsEnded {
		closeAll(keeper)
	}
	return r, nil
}

// run starts pumps. Outputs have to come before stdin: Close stops them in
// this order, and a terminal's input waits for its output.
func (s *IO) run(pumps ...*pump) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pumps {
		s.pumps = append(s.pumps, p)
		go p.run(log.G(s.life))
	}
}

func (s *IO) startPipes(ctx context.Context) error {
	in, err := s.openStdin()
	if err != nil {
		return err
	}
	for _, o := range s.outputs {
		if err := s.startOutput(ctx, o); err != nil {
			return errors.Join(fmt.Errorf("failed to start io pipe copy: unable to copy pipes: %w", err), closeAll(in))
		}
	}
	if in == nil {
		return nil
	}
	p, err := newPump(stdin, s.input, in)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	s.run(p)
	return nil
}

func (s *IO) startOutput(ctx context.Context, o *output) (err error) {
	if o.dst == nil {
		if o.dst, err = openWriter(ctx, o.target.path); err != nil {
			return err
		}
	}
	p, err := newPump(o.name, o.dst, o.src)
	if err != nil {
		return err
	}
	s.run(p)
	return nil
}

func (s *IO) startTerminal(ctx context.Context) error {
	console, err := receiveTerminal(ctx, s.socket)
	if err != nil {
		return fmt.Errorf("failed to retrieve console master: %w", err)
	}
	closeAll(s.socket)
	s.setConsole(console)
	if err := s.copyTerminal(ctx, console); err != nil {
		return fmt.Errorf("failed to start console copy: %w", err)
	}
	return nil
}

// setConsole makes the terminal known, to an Exited that came before it too.
func (s *IO) setConsole(console *terminal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.console = console
	if s.exited {
		_ = console.finish()
	}
}

func (s *IO) copyTerminal(ctx context.Context, console *terminal) error {
	in, err := s.openStdin()
	if err != nil {
		return err
	}
	if s.terminal == nil {
		s.terminal, err = openWriter(ctx, s.targets.stdout.path)
	}
	if err != nil {
		return errors.Join(err, closeAll(in))
	}
	screen := newScreen(s.terminal, console)
	if in == nil {
		s.run(screen)
		return nil
	}
	keyboard, err := newKeyboard(console, in, screen)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	s.run(screen, keyboard)
	return nil
}
