package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/api/types"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"tango/shim/container"
	"tango/shim/options"
	"tango/shim/stdio"
)

// schemesAnnotation says where containers' output can go. containerd has no name
// for that yet.
const schemesAnnotation = "io.containerd.tango.v2.stdio-schemes"

// info answers `-info`: runtime options on stdin, a RuntimeInfo on stdout.
// containerd runs it at every create that has id-mapped volumes.
func info(stdin io.Reader, stdout io.Writer) error {
	data, err := io.ReadAll(io.LimitReader(stdin, maxRequest))
	if err != nil {
		return fmt.Errorf("cannot read runtime options from stdin: %w", err)
	}
	opts, err := decodeOptions(data)
	if err != nil {
		return err
	}
	features, err := typeurl.MarshalAnyToProto(container.Features(Version, Revision))
	if err != nil {
		return fmt.Errorf("cannot encode the OCI features: %w", err)
	}
	out, err := proto.Marshal(&types.RuntimeInfo{
		Name:     RuntimeType,
		Version:  &types.RuntimeVersion{Version: Version, Revision: Revision},
		Options:  opts,
		Features: features,
		Annotations: map[string]string{
			schemesAnnotation: strings.Join(stdio.Schemes(), ","),
		},
	})
	if err != nil {
		return fmt.Errorf("cannot encode the runtime info: %w", err)
	}
	_, err = stdout.Write(out)
	return err
}

// decodeOptions checks the options that -info was given and hands them back.
func decodeOptions(data []byte) (*anypb.Any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var any anypb.Any
	if err := proto.Unmarshal(data, &any); err != nil {
		return nil, fmt.Errorf("cannot decode the runtime options on stdin: %w", err)
	}
	if any.GetTypeUrl() == "" {
		return nil, errors.New("cannot decode the runtime options on stdin: they have no type")
	}
	_, err := options.Parse(&any)
	return &any, err
}
