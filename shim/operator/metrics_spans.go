package operator

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"tango/shim/telemetry"
)

// Spans go out in OTLP's JSON form over HTTP (opentelemetry-proto, docs/
// specification.md), which every collector takes at the same address as the binary
// form. The OpenTelemetry SDK is not needed for that, and not linked.

const (
	spanBatch   = 100
	spanEvery   = 2 * time.Second
	spanTimeout = 10 * time.Second
	spanServer  = 2 // SPAN_KIND_SERVER
	spanInner   = 1 // SPAN_KIND_INTERNAL
	statusError = 2 // STATUS_CODE_ERROR
)

// sendSpans sends operations that are part of a trace, until ctx ends: to where this
// process's environment says, or, without a target, to where containerd sends its own.
func sendSpans(ctx context.Context, runDir string, t *target) error {
	if t == nil {
		settings := containerdTracing(ctx, runDir)
		var err error
		if t, err = spanTarget(func(name string) string { return settings[name] }); err != nil {
			fmt.Fprintf(os.Stderr, "tango: no spans are sent: containerd's settings: %v\n", err)
		}
	}
	if t == nil {
		return nil
	}
	return t.follow(ctx, runDir)
}

// containerdTracing asks the collector, once there is one, how containerd's tracing is
// set up. When ctx ends it returns nothing.
func containerdTracing(ctx context.Context, runDir string) map[string]string {
	for {
		if s, err := telemetry.Fetch(ctx, runDir); err == nil {
			return s.Tracing
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(spanEvery):
		}
	}
}

// follow sends operations that are part of a trace, until ctx ends.
func (t *target) follow(ctx context.Context, runDir string) error {
	records := make(chan telemetry.Record, 10*spanBatch)
	go t.run(ctx, records)
	return telemetry.Follow(ctx, runDir, func(r telemetry.Record) bool {
		if _, ok := parseTrace(r.Trace); ok {
			select {
			case records <- r:
			default: // whoever takes spans is too slow: metrics go on
			}
		}
		return false
	})
}

// target is where spans go.
type target struct {
	url    string
	header http.Header
	client http.Client
}

// spanTarget reads the environment as containerd's tracing does; nil if tracing is
// not set up.
func spanTarget(getenv func(string) string) (*target, error) {
	address := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); address == "" && base != "" {
		address = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if address == "" || getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	if u, err := url.Parse(address); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("cannot send spans to %q: want an http address (OTEL_EXPORTER_OTLP_ENDPOINT)", address)
	}
	protocol := getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol == "grpc" {
		return nil, errors.New("cannot send spans by grpc (OTEL_EXPORTER_OTLP_PROTOCOL): set an http address for this process, or none")
	}
	t := &target{url: address, header: http.Header{"Content-Type": {"application/json"}}, client: http.Client{Timeout: spanTimeout}}
	for pair := range strings.SplitSeq(getenv("OTEL_EXPORTER_OTLP_HEADERS"), ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			t.header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return t, nil
}

// run gathers records and sends them. What can't be sent is lost, and said so once
// in a row.
func (t *target) run(ctx context.Context, records <-chan telemetry.Record) {
	tick := time.NewTicker(spanEvery)
	defer tick.Stop()
	var batch []telemetry.Record
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-records:
			if batch = append(batch, r); len(batch) < spanBatch {
				continue
			}
		case <-tick.C:
		}
		if len(batch) == 0 {
			continue
		}
		err := t.send(ctx, batch)
		if err != nil && !failing {
			fmt.Fprintf(os.Stderr, "tango: spans are lost: %v\n", err)
		}
		failing, batch = err != nil, batch[:0]
	}
}

func (t *target) send(ctx context.Context, records []telemetry.Record) error {
	body, err := json.Marshal(spansOf(records))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = t.header.Clone()
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("cannot send spans to %s: %s", t.url, resp.Status)
	}
	return nil
}

// The parts of OTLP's JSON form that are used.
type (
	otlpValue struct {
		String string `json:"stringValue"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Status     otlpStatus      `json:"status"`
	}
	otlpScope struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpResource struct {
		Resource struct {
			Attributes []otlpAttribute `json:"attributes"`
		} `json:"resource"`
		Scopes []otlpScope `json:"scopeSpans"`
	}
	otlpTraces struct {
		Resources []otlpResource `json:"resourceSpans"`
	}
)

// spansOf makes a span of each operation and of each of its phases.
func spansOf(records []telemetry.Record) otlpTraces {
	var scope otlpScope
	scope.Scope.Name = "tango"
	for _, r := range records {
		if parent, ok := parseTrace(r.Trace); ok {
			scope.Spans = append(scope.Spans, parent.spans(r)...)
		}
	}
	resource := otlpResource{Scopes: []otlpScope{scope}}
	resource.Resource.Attributes = []otlpAttribute{attribute("service.name", "containerd-shim-tango")}
	if len(records) > 0 {
		resource.Resource.Attributes = append(resource.Resource.Attributes,
			attribute("host.name", records[0].Node), attribute("os.version", records[0].Kernel))
	}
	return otlpTraces{Resources: []otlpResource{resource}}
}

func attribute(key, value string) otlpAttribute {
	return otlpAttribute{Key: key, Value: otlpValue{String: value}}
}

// traceParent is where a span belongs.
type traceParent struct{ trace, span string }

// parseTrace reads W3C's traceparent: version, trace, parent, flags. False if there
// is none, or the trace is not sampled.
func parseTrace(header string) (traceParent, bool) {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 {
		return traceParent{}, false
	}
	flags, err := hex.DecodeString(strings.Join(parts[:4], ""))
	if err != nil || flags[len(flags)-1]&1 == 0 {
		return traceParent{}, false
	}
	return traceParent{trace: parts[1], span: parts[2]}, true
}

func (p traceParent) spans(r telemetry.Record) []otlpSpan {
	whole := p.newSpan(r.Op, spanServer, r.Time, r.Took)
	whole.Attributes = []otlpAttribute{
		attribute("container.id", r.Container), attribute("tango.arm", r.Arm), attribute("tango.way", r.Way),
		attribute("tango.result", r.Result), attribute("tango.pod", r.Pod),
	}
	if !r.OK() {
		whole.Status = otlpStatus{Code: statusError, Message: r.Error}
	}
	spans := []otlpSpan{whole}
	inner := traceParent{trace: p.trace, span: whole.SpanID}
	for _, phase := range r.Phases {
		spans = append(spans, inner.newSpan(r.Op+"."+phase.Name, spanInner, r.Time.Add(phase.At), phase.Took))
	}
	return spans
}

// newSpan makes one span below p.
func (p traceParent) newSpan(name string, kind int, start time.Time, took time.Duration) otlpSpan {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return otlpSpan{
		TraceID: p.trace, SpanID: hex.EncodeToString(id[:]), Parent: p.span, Name: "tango." + name, Kind: kind,
		Start: strconv.FormatInt(start.UnixNano(), 10), End: strconv.FormatInt(start.Add(took).UnixNano(), 10),
	}
}
