package telemetry

import (
	"maps"
	"testing"
)

func TestTracingSettings(t *testing.T) {
	got := tracingSettings([]string{
		"PATH=/bin", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d",
		"OTEL_SDK_DISABLED=true", "OTEL_SERVICE_NAME=x", "OTEL_EXPORTER_OTLP_BROKEN",
	})
	want := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b,c=d", "OTEL_SDK_DISABLED": "true",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := tracingSettings([]string{"PATH=/bin"}); got != nil {
		t.Errorf("without settings: %v", got)
	}
}
