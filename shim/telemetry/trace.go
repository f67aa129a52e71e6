package telemetry

import "context"

type traceKey struct{}

// WithTrace notes the W3C trace context that a request came with.
func WithTrace(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" || len(traceparent) > maxText {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// TraceOf is the request's trace context; "" if it came without.
func TraceOf(ctx context.Context) string {
	trace, _ := ctx.Value(traceKey{}).(string)
	return trace
}
