package bootstrap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"tango/shim/options"
)

// maxRequest bounds what start reads from stdin, in bytes.
const maxRequest = 10 << 20

// request is a start request of either protocol, in one form.
type request struct {
	id            string
	address       string // containerd's gRPC address
	debug         bool
	socketDir     string
	options       options.Config
	bootstrapping bool // containerd 2.3 or newer: answers are protobuf, not JSON
}

// readRequest tells the two protocols apart: since 2.3, stdin carries
// BootstrapParams, whose id and namespace repeat the command line; before, it
// carries the runtime options as a bare Any, or nothing.
func readRequest(inv *invocation, stdin io.Reader) (request, error) {
	data, err := io.ReadAll(io.LimitReader(stdin, maxRequest))
	if err != nil {
		return request{}, fmt.Errorf("cannot read the start request from stdin: %w", err)
	}
	req := request{id: inv.id, address: inv.address, debug: inv.debug, socketDir: filepath.Join(defaults.DefaultStateDir, "s")}
	if req.options, err = options.Parse(nil); err != nil {
		return request{}, err
	}
	var params bootapi.BootstrapParams
	if proto.Unmarshal(data, &params) == nil && params.InstanceID == inv.id && params.Namespace == inv.namespace {
		return req.withParams(&params)
	}
	return req.withOptions(data)
}

func (r request) withParams(params *bootapi.BootstrapParams) (request, error) {
	r.bootstrapping = true
	r.address = params.GetContainerdGrpcAddress()
	r.debug = params.GetLogLevel() <= bootapi.LogLevel_LOG_LEVEL_DEBUG
	if dir := params.GetSocketDir(); dir != "" {
		r.socketDir = dir
	}
	for _, ext := range params.GetExtensions() {
		if !options.Known(ext.GetValue().GetTypeUrl()) {
			continue // sections for somebody else: the protocol says to ignore them
		}
		var err error
		if r.options, err = options.Parse(ext.GetValue()); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r request) withOptions(data []byte) (request, error) {
	if len(data) == 0 {
		return r, nil
	}
	var any anypb.Any
	if err := proto.Unmarshal(data, &any); err != nil {
		return r, fmt.Errorf("cannot decode the runtime options on stdin: %w", err)
	}
	var err error
	r.options, err = options.Parse(typeurl.Any(&any))
	return r, err
}

// legacyResult is the answer that containerd before 2.3 expects.
type legacyResult struct {
	Version  int    `json:"version"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
}

// reply writes where the shim listens. The older protocol is answered with task
// API version 2, which containerd 1.7 needs and 2.x accepts; the shim serves both.
func (r request) reply(w io.Writer, address string) error {
	if !r.bootstrapping {
		return json.NewEncoder(w).Encode(legacyResult{Version: 2, Address: address, Protocol: "ttrpc"})
	}
	data, err := proto.Marshal(&bootapi.BootstrapResult{Version: 3, Address: address, Protocol: "ttrpc"})
	if err != nil {
		return fmt.Errorf("cannot encode the start response: %w", err)
	}
	_, err = w.Write(data)
	return err
}

// addressFile is where containerd 1.7 looks for its shims when it has been
// restarted. Newer ones write a file of their own.
const addressFile = "address"

// rememberAddress lets a containerd that speaks the older protocol find the shim
// again. The file appears when it is whole.
func (r request) rememberAddress(bundle, address string) error {
	if r.bootstrapping {
		return nil
	}
	path := filepath.Join(bundle, addressFile)
	if err := os.WriteFile(path+".new", []byte(address), 0o600); err != nil {
		return fmt.Errorf("cannot write the shim's address into the bundle: %w", err)
	}
	return os.Rename(path+".new", path)
}

// socketDirLink is left in the bundle, so that the daemon and a later delete
// know where the shim's sockets are. Same name as containerd's own shim uses.
const socketDirLink = "s"

func (r request) rememberSocketDir(bundle string) error {
	link := filepath.Join(bundle, socketDirLink)
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cannot replace the link to the socket directory: %w", err)
	}
	return os.Symlink(r.socketDir, link)
}
