package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// stage is the tree that is installed into: the machine's own, or one that becomes
// a machine's. All paths are as they are seen from inside, and links are followed as
// they would be there.
type stage string

// path is where a path of the stage's is for this process.
func (s stage) path(name string) (string, error) {
	path, err := securejoin.SecureJoin(string(s), filepath.Dir(name))
	if err != nil {
		return "", fmt.Errorf("cannot find %s below %s: %w", name, s, err)
	}
	return filepath.Join(path, filepath.Base(name)), nil
}

// kinds of what a path can lead to.
type diskFile struct {
	exists  bool
	regular bool
	mode    fs.FileMode
	sum     string // SHA-256 in hex, of a regular file
}

// look tells what is at a path, without following a link there.
func (s stage) look(name string) (diskFile, error) {
	path, err := s.path(name)
	if err != nil {
		return diskFile{}, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return diskFile{}, nil
	}
	if err != nil {
		return diskFile{}, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	f := diskFile{exists: true, regular: info.Mode().IsRegular(), mode: info.Mode().Perm()}
	if !f.regular {
		return f, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return diskFile{}, fmt.Errorf("cannot read %s: %w", path, err)
	}
	f.sum = checksum(content)
	return f, nil
}

func checksum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// missingDirs are those that a file needs and that are not there, the highest first.
func (s stage) missingDirs(name string) ([]string, error) {
	var missing []string
	for dir := filepath.Dir(name); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		path, err := s.path(dir)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot look at %s: %w", path, err)
		}
		missing = append([]string{dir}, missing...)
	}
	return missing, nil
}

// write puts a file in place in one step: who opens the path gets the old content or
// the new, and a program that runs from the old file is not disturbed (a write into
// it would fail with ETXTBSY). It survives a power cut once it has returned.
func (s stage) write(name string, content []byte, mode fs.FileMode) (retErr error) {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the directory of %s: %w", name, err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	defer func() {
		if retErr != nil {
			retErr = fmt.Errorf("cannot write %s: %w", name, errors.Join(retErr, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// remove takes a file away; one that is gone already is no error.
func (s stage) remove(name string) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", name, err)
	}
	return syncDir(filepath.Dir(path))
}

// removeDir takes a directory away if it is empty.
func (s stage) removeDir(name string) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// programDirs are where a service manager looks for programs.
var programDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// command is a program of the stage's, run as if the stage were the machine. It must
// be root to do that where the stage is another tree.
func (s stage) command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	for _, dir := range programDirs {
		path := filepath.Join(dir, name)
		inside, err := s.path(path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(inside); err != nil {
			continue
		}
		c := exec.CommandContext(ctx, path, args...)
		if s != "/" {
			c.SysProcAttr = &syscall.SysProcAttr{Chroot: string(s)}
			c.Dir = "/"
			c.Env = []string{"PATH=" + strings.Join(programDirs, ":")}
		}
		return c, nil
	}
	return nil, fmt.Errorf("cannot find %s in %s below %s", name, strings.Join(programDirs, ", "), s)
}
