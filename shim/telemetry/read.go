package telemetry

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// overlong stands for a line that is longer than any record.
var overlong = []byte("overlong")

// Read calls each with every record in r, one a line, and tells how many lines
// were none: a line cut short by a full filesystem, or of another program.
func Read(r io.Reader, each func(Record)) (bad int, _ error) {
	in := bufio.NewReaderSize(r, 2*maxDatagram)
	for {
		line, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			line = overlong
			_, err = in.ReadSlice('\n')
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if record, err := decode(line); err == nil {
				each(record)
			} else {
				bad++
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return bad, nil
		case err != nil:
			return bad, err
		}
	}
}
