package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tango/test/vm/job"
)

// grace is how long a test binary gets to print its stacks after its own
// -test.timeout, before it is killed.
const grace = 20 * time.Second

// runJob runs the whole job and reports it.
func runJob() error {
	j, err := readJob("/run/tango" + job.Path)
	if err != nil {
		return err
	}
	r, err := openReporter()
	if err != nil {
		return err
	}
	defer r.close()
	if proc, err = os.OpenRoot("/proc"); err != nil {
		return err
	}
	release, err := proc.ReadFile("sys/kernel/osrelease")
	if err != nil {
		return err
	}
	r.send(job.Event{Kind: job.Boot, Text: strings.TrimSpace(string(release)), Seconds: uptime()})
	env, err := setUp(j.Machine)
	if err != nil {
		return err
	}
	checkMachine(r, j.Machine)
	for _, t := range j.Groups {
		runTest(r, t, env)
	}
	reportKernelLog(r)
	r.send(job.Event{Kind: job.Done, Seconds: uptime()})
	return nil
}

// uptime returns the seconds since the kernel started.
func uptime() float64 {
	b, err := proc.ReadFile("uptime")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	seconds, _ := strconv.ParseFloat(first, 64)
	return seconds
}

// setUp prepares what the machine's tests need, and returns their environment.
func setUp(m job.Machine) ([]string, error) {
	env := []string{
		"PATH=/tango/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "TMPDIR=/tmp", "GOTRACEBACK=all",
		"TANGO_GUEST=" + m.Name, "TANGO_BIN=/tango/bin",
	}
	switch {
	case m.AppArmor:
		return append(env, "TANGO_APPARMOR_PROFILE="+job.Profile), loadProfile()
	case m.SELinux:
		return env, loadPolicy()
	}
	return env, nil
}

// runTest runs one test binary to its end, reports its output line by line and
// then what it left behind.
func runTest(r *reporter, t job.Test, env []string) {
	before := takeInventory()
	r.send(job.Event{Kind: job.Start, Package: t.Package})
	start := time.Now()
	say := func(line string) { r.send(job.Event{Kind: job.Output, Package: t.Package, Text: line}) }
	w := newWatchdog(func() {
		for _, line := range whereAll() {
			say(line)
		}
	})
	exit, err := runBinary(t, env, func(line string) {
		w.line()
		say(line)
	})
	w.stop()
	if err != nil {
		say("guest: " + err.Error())
	}
	r.send(job.Event{Kind: job.End, Package: t.Package, Exit: exit, Seconds: time.Since(start).Seconds()})
	for _, what := range before.leaks() {
		r.send(job.Event{Kind: job.Leak, Package: t.Package, Text: what})
	}
	before.restore()
}

// runBinary runs one test binary in its own process group, which is killed when
// it outlives its time. A child that keeps the output open is not waited for.
func runBinary(t job.Test, env []string, line func(string)) (int, error) {
	args := append([]string{"-test.v=test2json", "-test.timeout=" + t.Timeout.String()}, t.Args...)
	cmd := exec.Command(t.Binary, args...)
	cmd.Dir = t.Dir
	cmd.Env = append(append([]string{}, env...), t.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	read, write, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	write.Close()
	if err != nil {
		return -1, err
	}
	lines := make(chan struct{})
	go func() { defer close(lines); copyLines(read, line) }()
	timer := time.AfterFunc(t.Timeout+grace, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err = cmd.Wait()
	timer.Stop()
	select {
	case <-lines:
	case <-time.After(2 * time.Second):
		read.SetReadDeadline(time.Now())
		<-lines
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return cmd.ProcessState.ExitCode(), err
}

// copyLines hands every line of f to line, however long, until f ends.
func copyLines(f *os.File, line func(string)) {
	in := bufio.NewReader(f)
	for {
		s, err := in.ReadString('\n')
		if s != "" {
			line(strings.TrimSuffix(s, "\n"))
		}
		if err != nil {
			return
		}
	}
}
