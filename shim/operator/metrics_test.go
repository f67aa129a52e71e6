package operator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tango/mounts/worker"
	"tango/shim/rollout"
	"tango/shim/telemetry"
)

// collector runs one with the values of mount workers, and a sender to it.
func collector(t *testing.T) (runDir string, s *telemetry.Sender) {
	t.Helper()
	runDir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	stats := func() worker.Stats { return worker.Stats{Nodes: []worker.NodeStats{{Batches: 3}}} }
	held := func() map[string]float64 { // as shim/host has them
		return map[string]float64{"service_layer_mounts": 1, "service_mappings": 1, "service_builds_kept": 1, "service_ungrouped_layers_total": 1}
	}
	go func() { ended <- telemetry.Serve(ctx, runDir, telemetry.OfWorkers(stats), held) }()
	s = telemetry.NewSender(runDir)
	t.Cleanup(func() {
		s.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	soon(t, "the collector answers", func() bool { _, err := telemetry.Fetch(t.Context(), runDir); return err == nil })
	return runDir, s
}

func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in two minutes: %s", what)
		}
	}
}

// full has something of everything in the collector, so that every metric is there.
func full(t *testing.T) (runDir string, s *telemetry.Sender) {
	t.Helper()
	runDir, s = collector(t)
	rec := s.Begin(telemetry.Record{Op: telemetry.OpCreate, Arm: "tango", Base: "control", ArmWhy: "hash", Way: "plain", Container: "c", Gauges: map[string]int64{"layer_mounts": 2}})
	rec.Phase("rootfs")()
	for _, name := range []string{"calls.mount", "ns.mount", "fallback.template", "layers"} {
		rec.Count(name, 4)
	}
	rec.End(nil, "")
	if _, err := rollout.Disable(runDir, "private", rollout.Switch{By: rollout.ByHand}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the record is taken", func() bool {
		snapshot, err := telemetry.Fetch(t.Context(), runDir)
		return err == nil && snapshot.Records == 1
	})
	return runDir, s
}

// exported are the names of all metrics.
func exported(t *testing.T, runDir string) map[string]bool {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newMetricSet(runDir))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	return names
}

func TestEveryMetricIsExported(t *testing.T) {
	runDir, _ := full(t)
	names := exported(t, runDir)
	for _, m := range metricHelp {
		if !names[m.name] {
			t.Errorf("%s is described and not exported", m.name)
		}
	}
	text := scrape(t, runDir)
	for _, want := range []string{
		`tango_mount_call_seconds_total{arm="tango",call="mount"} 4e-09`,
		`tango_operations_total{arm="tango",op="create",result="ok",way="plain"} 1`,
		`tango_phase_seconds_bucket{arm="tango",op="create",phase="rootfs",le="+Inf"} 1`,
		`tango_rollout_disabled{arm="private",by="hand"} 1`,
		"# TYPE tango_worker_batches_total counter\ntango_worker_batches_total 3\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "Told by") {
		t.Errorf("a metric is not described:\n%s", text)
	}
}

// scrape is what Prometheus gets.
func scrape(t *testing.T, runDir string) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(newMetricSet(runDir))
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func TestNoServiceIsAMetric(t *testing.T) {
	names := exported(t, t.TempDir())
	if len(names) != 1 || !names["tango_up"] {
		t.Errorf("%v", names)
	}
}

// The dashboard must ask for what there is, by labels that it has, and for all.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile("../../deploy/grafana/tango.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard any
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"le": "", "instance": ""}
	for _, m := range metricHelp {
		for _, l := range m.labels {
			labels[l] = ""
		}
	}
	runDir, _ := full(t)
	names, used := exported(t, runDir), map[string]bool{}
	metric := regexp.MustCompile(`\btango_[a-z_]+`)
	matcher := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	group := regexp.MustCompile(`(?:by|ignoring) \(([a-z_, ]+)\)`)
	for _, expr := range expressions(dashboard) {
		for _, name := range metric.FindAllString(expr, -1) {
			name = strings.TrimSuffix(name, "_bucket")
			used[name] = true
			if !names[name] {
				t.Errorf("no metric %s: %s", name, expr)
			}
		}
		for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
			if _, ok := labels[m[1]]; !ok {
				t.Errorf("no label %s: %s", m[1], expr)
			}
		}
		for _, m := range group.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(m[1], ", ") {
				if _, ok := labels[l]; !ok {
					t.Errorf("no label %s: %s", l, expr)
				}
			}
		}
	}
	for _, m := range metricHelp {
		if !used[m.name] {
			t.Errorf("%s is on no panel", m.name)
		}
	}
}

// expressions are all strings under the key expr.
func expressions(v any) (list []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok && key == "expr" {
				list = append(list, text)
			}
			list = append(list, expressions(value)...)
		}
	case []any:
		for _, value := range v {
			list = append(list, expressions(value)...)
		}
	}
	return list
}

func TestExporterServes(t *testing.T) {
	runDir, _ := full(t)
	for _, address := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := listenMetrics(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- serveMetrics(ctx, l, runDir, nil) }()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, l.Addr().Network(), l.Addr().String())
		}}}
		resp, err := client.Get("http://tango/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), "tango_up 1") {
			t.Errorf("%s: %v, %s", address, err, body)
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

func TestExporterSocketIsTakenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	l, err := listenMetrics(t.Context(), "unix:"+path)
	if err != nil {
		t.Fatalf("a dead exporter's socket is in the way: %v", err)
	}
	defer l.Close()
	if second, err := listenMetrics(t.Context(), "unix:"+path); err == nil {
		_ = second.Close()
		t.Error("two exporters on one socket")
	}
}

const traceHeader = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestSpans(t *testing.T) {
	got := make(chan otlpTraces, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var traces otlpTraces
		if err := json.NewDecoder(r.Body).Decode(&traces); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Api-Key") != "k" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v, %s, %v", err, r.URL, r.Header)
		}
		select {
		case got <- traces:
		default: // one is enough
		}
	}))
	defer server.Close()
	// The collector's environment is containerd's.
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL+"/")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k")
	runDir, sender := full(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	followed := make(chan error, 1)
	go func() { followed <- sendSpans(ctx, runDir, nil) }()
	// Until somebody follows, records pass by; so it is sent over and over.
	var traces otlpTraces
	soon(t, "a span arrives", func() bool {
		for _, trace := range []string{traceHeader, "", "00-nonsense"} {
			rec := sender.Begin(telemetry.Record{Op: telemetry.OpStart, Arm: "tango", Container: "c", Trace: trace})
			rec.Phase("release")()
			rec.End(errors.New("no"), "")
		}
		select {
		case traces = <-got:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	spans := traces.Resources[0].Scopes[0].Spans
	whole, inner := spans[0], spans[1]
	if len(spans)%2 != 0 || whole.TraceID != "0af7651916cd43dd8448eb211c80319c" || whole.Parent != "b7ad6b7169203331" || whole.Name != "tango.start" || whole.Status.Code != statusError {
		t.Errorf("%+v", whole)
	}
	if inner.Parent != whole.SpanID || inner.Name != "tango.start.release" || inner.Start < whole.Start || inner.End > whole.End || len(inner.SpanID) != 16 {
		t.Errorf("%+v", inner)
	}
	cancel()
	server.CloseClientConnections()
	if err := <-followed; err != nil {
		t.Error(err)
	}
}

func TestSpanSettings(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want string // "error", "none", or an address
	}{
		{nil, "none"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/x"}, "https://t/x"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, "none"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "error"},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, "error"},
	} {
		target, err := spanTarget(func(key string) string { return tt.env[key] })
		got := "none"
		if err != nil {
			got = "error"
		} else if target != nil {
			got = target.url
		}
		if got != tt.want {
			t.Errorf("%v: %s (%v), want %s", tt.env, got, err, tt.want)
		}
	}
	for _, header := range []string{"", traceHeader[:len(traceHeader)-2] + "00", strings.Replace(traceHeader, "a", "x", 1), traceHeader[3:]} {
		if _, ok := parseTrace(header); ok {
			t.Errorf("%q is taken", header)
		}
	}
}
