package kernel

import (
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxLogLines bounds the reading of a context's log; the kernel keeps the
	// last 8 lines (struct fc_log, include/linux/fs_context.h).
	maxLogLines = 16
	// logLineSize holds a line that quotes two full paths. A longer line is
	// answered with EMSGSIZE, and lost.
	logLineSize = 2*unix.PathMax + 512
)

// log takes the lines out of the context's log. Each read(2) gives one; an empty
// log is ENODATA.
func (c *FSContext) log() []string {
	var lines []string
	buf := make([]byte, logLineSize)
	for range maxLogLines {
		n := 0
		err := c.use(func(fd int) error {
			var err error
			n, err = unix.Read(fd, buf)
			return err
		})
		switch {
		case err == unix.EINTR, err == unix.EMSGSIZE:
			continue
		case err != nil || n <= 0:
			return lines
		}
		lines = append(lines, strings.TrimRight(string(buf[:n]), "\n"))
	}
	return lines
}
