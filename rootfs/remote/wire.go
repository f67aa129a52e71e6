package remote

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tango/rootfs"
)

// format is that of requests and replies. A Builder refuses any other, with
// EPROTONOSUPPORT, and its caller then does without it.
const format = "1"

// request is what a caller has built. On its way it is text: fields ended by a
// NUL byte, which no field may hold; lists are preceded by their length.
type request struct {
	standing string // see there
	way      string
	mounts   []rootfs.Mount
}

// reply says what the descriptors that come with it are.
type reply struct {
	way     string
	locked  bool     // see Rootfs.NeedsLocks
	targets []string // one for each descriptor
}

var (
	errFormat = errors.New("message is in another format")
	errFields = errors.New("message has impossible fields")
)

func (r request) encode() []byte {
	var w fields
	w.add(format, r.standing, r.way, strconv.Itoa(len(r.mounts)))
	for _, m := range r.mounts {
		w.add(m.Type, m.Source, m.Target)
		w.list(m.Options)
	}
	return w.text
}

func decodeRequest(payload []byte) (request, error) {
	r := reader{rest: string(payload)}
	if r.next() != format {
		return request{}, errors.Join(errFormat, unix.EPROTONOSUPPORT)
	}
	req := request{standing: r.next(), way: r.next()}
	for range r.length() {
		m := rootfs.Mount{Type: r.next(), Source: r.next(), Target: r.next()}
		m.Options = r.list()
		req.mounts = append(req.mounts, m)
	}
	return req, r.end()
}

func (r reply) encode() []byte {
	var w fields
	w.add(format, r.way, strconv.FormatBool(r.locked))
	w.list(r.targets)
	return w.text
}

func decodeReply(payload []byte) (reply, error) {
	r := reader{rest: string(payload)}
	if r.next() != format {
		return reply{}, errFormat
	}
	rep := reply{way: r.next(), locked: r.next() == "true"}
	rep.targets = r.list()
	return rep, r.end()
}

// fields is a text of fields.
type fields struct{ text []byte }

func (f *fields) add(values ...string) {
	for _, v := range values {
		f.text = append(append(f.text, v...), 0)
	}
}

func (f *fields) list(values []string) {
	f.add(strconv.Itoa(len(values)))
	f.add(values...)
}

// reader takes a text of fields apart.
type reader struct {
	rest string
	bad  bool
}

// next is the next field; empty if there is none, which end then tells.
func (r *reader) next() string {
	field, rest, found := strings.Cut(r.rest, "\x00")
	if !found {
		r.bad = true
		return ""
	}
	r.rest = rest
	return field
}

// length is a list's. There can't be more fields than bytes.
func (r *reader) length() int {
	n, err := strconv.Atoi(r.next())
	if err != nil || n < 0 || n > len(r.rest) {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) list() (values []string) {
	for range r.length() {
		values = append(values, r.next())
	}
	return values
}

// end tells whether what was read was all there is.
func (r *reader) end() error {
	if r.bad || r.rest != "" {
		return errors.Join(errFields, unix.EBADMSG)
	}
	return nil
}
