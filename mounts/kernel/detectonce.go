package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// DetectOnce is [Detect], asked once a boot: the answer is kept in the named
// file for the processes to come. The directory must be one that only this user
// can write to; a file that others could have written is not believed, one from
// another boot or another version of this code not used. Answers that could not
// be had are not kept. Those that could are [Feature.Probe]'s, too, from then on. A file that cannot be written costs only the time of the
// next Detect; that error is not returned.
func DetectOnce(file string) (Features, error) {
	boot, err := bootID()
	if err != nil {
		return Detect()
	}
	if f, err := recall(file, boot); err == nil {
		f.teach()
		return f, nil
	}
	f, err := Detect()
	if err == nil {
		remember(file, f.text(boot))
	}
	return f, err
}

// bootID tells one boot of the machine from the next.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// text is what the file holds: the boot, then each feature probed.
func (f *Features) text(boot string) string {
	var b strings.Builder
	fmt.Fprintln(&b, boot)
	for _, p := range f.fields() {
		fmt.Fprintln(&b, p.name, *p.has)
	}
	return b.String()
}

// teach gives the features their answers, so that they need not ask the kernel.
func (f *Features) teach() {
	for _, p := range f.fields() {
		p.feature.learn(*p.has)
	}
}

var errNotRecalled = errors.New("no answer from this boot")

// recall reads a file that remember wrote. Anything but one of the texts that
// this version writes in this boot is refused.
func recall(file, boot string) (Features, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Features{}, err
	}
	defer f.Close()
	if err := checkOwn(f); err != nil {
		return Features{}, err
	}
	b, err := io.ReadAll(io.LimitReader(f, unix.PathMax))
	if err != nil {
		return Features{}, err
	}
	var known Features
	for _, p := range known.fields() {
		*p.has = strings.Contains(string(b), "\n"+p.name+" true\n")
	}
	if known.text(boot) != string(b) {
		return Features{}, errNotRecalled
	}
	return known, nil
}

// checkOwn refuses what is not a file that only this user can write to.
func checkOwn(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o022 != 0 || int(st.Uid) != os.Geteuid() {
		return errNotRecalled
	}
	return nil
}

// remember puts the text in place at once, so that nobody reads half of it.
func remember(file, text string) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}
