package task

import (
	"context"

	"github.com/containerd/ttrpc"

	"tango/shim/telemetry"
)

// Versions 2 and 3 of the Task API have the same messages under two names.
// containerd 1.7 speaks the older one.
var serviceNames = []string{"containerd.task.v2.Task", "containerd.task.v3.Task"}

// Register adds the service to a server, under every name it goes by.
func (s *Service) Register(server *ttrpc.Server) {
	methods := s.methods()
	for _, name := range serviceNames {
		server.RegisterService(name, &ttrpc.ServiceDesc{Methods: methods})
	}
}

// methods are the calls by the names that they have in the API.
func (s *Service) methods() map[string]ttrpc.Method {
	return map[string]ttrpc.Method{
		"State":      method(s.State),
		"Create":     method(s.Create),
		"Start":      method(s.Start),
		"Delete":     method(s.Delete),
		"Pids":       method(s.Pids),
		"Pause":      method(s.Pause),
		"Resume":     method(s.Resume),
		"Checkpoint": method(s.Checkpoint),
		"Kill":       method(s.Kill),
		"Exec":       method(s.Exec),
		"ResizePty":  method(s.ResizePty),
		"CloseIO":    method(s.CloseIO),
		"Update":     method(s.Update),
		"Wait":       method(s.Wait),
		"Stats":      method(s.Stats),
		"Connect":    method(s.Connect),
		"Shutdown":   method(s.Shutdown),
	}
}

// method adapts a call to ttrpc.
func method[Req, Resp any](call func(context.Context, *Req) (*Resp, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(any) error) (any, error) {
		req := new(Req)
		if err := unmarshal(req); err != nil {
			return nil, err
		}
		return call(traced(ctx), req)
	}
}

// traced takes over the trace that the request is part of, if containerd's tracing
// is on (package otelttrpc puts W3C's header into the metadata).
func traced(ctx context.Context) context.Context {
	if md, ok := ttrpc.GetMetadata(ctx); ok {
		if header, ok := md.Get("traceparent"); ok && len(header) > 0 {
			return telemetry.WithTrace(ctx, header[0])
		}
	}
	return ctx
}
