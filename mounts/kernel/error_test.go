package kernel

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorText(t *testing.T) {
	err := &Error{
		Op: "fsconfig lowerdir+", FS: "overlay", Source: "/l", Target: "/t", Flags: "ro",
		Log: []string{"e overlay: one", "w overlay: two"}, Err: unix.EINVAL,
	}
	const want = "cannot fsconfig lowerdir+ fs=overlay source=/l target=/t flags=ro:" +
		" invalid argument (kernel: e overlay: one; w overlay: two)"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if !errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		t.Error("the errno does not show through")
	}
	if s := (&Error{Op: "umount2", Err: unix.EBUSY}).Error(); s != "cannot umount2: device or resource busy" {
		t.Errorf("empty fields are not left out: %s", s)
	}
}

// failed checks that err is an *Error with this errno, and returns it.
func failed(t *testing.T, err error, errno error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if !errors.Is(err, errno) {
		t.Fatalf("got %v, want %v", err, errno)
	}
	return e
}

func TestErrorsCarryTheFilesystemsLog(t *testing.T) {
	for _, c := range []struct{ fs, key string }{{"tmpfs", "size"}, {"overlay", "redirect_dir"}} {
		t.Run(c.fs, func(t *testing.T) {
			checkDescriptors(t)
			ctx := open(t, c.fs)
			err := ctx.SetString("no-such-option", "x")
			if c.fs == "overlay" && err == nil {
				t.Skip("KERNEL LACKS fs_context in overlayfs, which came with Linux 6.5")
			}
			e := failed(t, err, unix.EINVAL)
			if len(e.Log) != 1 || e.Log[0] != "e "+c.fs+": Unknown parameter 'no-such-option'" {
				t.Errorf("log is %q", e.Log)
			}
			if e.FS != c.fs || e.Op != "fsconfig no-such-option" || e.Source != "x" {
				t.Errorf("error is %+v", e)
			}
			// Each line is told once.
			e = failed(t, ctx.SetString(c.key, "no-such-value"), unix.EINVAL)
			if len(e.Log) != 1 || !strings.Contains(e.Log[0], c.key) {
				t.Errorf("log is %q", e.Log)
			}
		})
	}
}

// The kernel keeps no more than the last eight lines.
func TestLogOfManyLines(t *testing.T) {
	checkDescriptors(t)
	c := open(t, "tmpfs")
	for range 20 {
		must(t, ignoring(unix.EINVAL, c.use(func(fd int) error {
			return unix.FsconfigSetString(fd, "no-such-option", strings.Repeat("x", 200))
		})))
	}
	if lines := c.log(); len(lines) == 0 || len(lines) > maxLogLines {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	if lines := c.log(); lines != nil {
		t.Errorf("log is not empty: %q", lines)
	}
}

func ignoring(errno, err error) error {
	if errors.Is(err, errno) {
		return nil
	}
	return err
}
