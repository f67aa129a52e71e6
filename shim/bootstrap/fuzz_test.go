package bootstrap

import (
	"strings"
	"testing"

	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/proto"

	"github.com/containerd/containerd/api/types/runc/options"
)

// FuzzDecodeOptions reads what containerd writes to `-info`.
func FuzzDecodeOptions(f *testing.F) {
	some, err := typeurl.MarshalAnyToProto(&options.Options{SystemdCgroup: true, BinaryName: "runc"})
	if err != nil {
		f.Fatal(err)
	}
	data, err := proto.Marshal(some)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Add([]byte("\x0a\x01a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		opts, err := decodeOptions(data)
		if err == nil && len(data) > 0 && opts.GetTypeUrl() == "" {
			t.Errorf("%q has become options without a type", data)
		}
	})
}

// FuzzInvocation takes a command line, one argument in each line.
func FuzzInvocation(f *testing.F) {
	f.Add("-namespace\nk8s.io\n-address\n/run/containerd.sock\n-id\nc1\nstart")
	f.Add("-id=c1\n-bundle\n/b\ndelete")
	f.Add("service\n/run/tango\ndir\nname\n/bundles")
	f.Add("-debug\n-v\n--\n-x")
	f.Fuzz(func(t *testing.T, line string) {
		inv, err := parseInvocation(append([]string{"shim"}, strings.Split(line, "\n")...))
		if (inv == nil) == (err == nil) {
			t.Errorf("%q: %v and %v", line, inv, err)
		}
	})
}
