package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// beside is another recording program that runs during a burst. Its zero value
// and nil are none.
type beside struct {
	cmd    *exec.Cmd
	end    io.WriteCloser // closing it ends the command that it waits for
	output bytes.Buffer
}

// startBeside starts the program and returns when it has begun to record, that
// is, when it has started its command.
func startBeside(program string) (_ *beside, retErr error) {
	if program == "" {
		return nil, nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	b := &beside{cmd: exec.Command(program, "sh", "-c", "echo >&3; exec 3>&-; exec cat")}
	b.cmd.ExtraFiles = []*os.File{write}
	b.cmd.Stdout, b.cmd.Stderr = &b.output, &b.output
	if b.end, err = b.cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	err = b.cmd.Start()
	write.Close()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", program, err)
	}
	if _, err := read.Read(make([]byte, 1)); err != nil {
		b.giveUp()
		return nil, fmt.Errorf("cannot record with %s: it did not run its command: %s", program, b.output.Bytes())
	}
	return b, nil
}

// stop ends the recording and returns what the program has written.
func (b *beside) stop() (string, error) {
	if b == nil {
		return "", nil
	}
	if err := b.end.Close(); err != nil {
		return "", err
	}
	err := b.cmd.Wait()
	b.cmd = nil
	if err != nil {
		return "", fmt.Errorf("cannot record with another program: %w: %s", err, b.output.Bytes())
	}
	return b.output.String(), nil
}

// giveUp ends a program that was not stopped.
func (b *beside) giveUp() {
	if b == nil || b.cmd == nil {
		return
	}
	_ = b.end.Close() // it ends by itself when its command does
	_ = b.cmd.Wait()  // its result is not wanted any more
	b.cmd = nil
}
