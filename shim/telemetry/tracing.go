package telemetry

import "strings"

// tracingNames begin the names of the environment's variables that say where spans
// go: OpenTelemetry's, which containerd's tracing is set up by.
var tracingNames = []string{"OTEL_EXPORTER_OTLP_", "OTEL_SDK_DISABLED="}

// tracingSettings are those of an environment, nil if there are none.
func tracingSettings(environ []string) map[string]string {
	var found map[string]string
	for _, entry := range environ {
		for _, prefix := range tracingNames {
			name, value, ok := strings.Cut(entry, "=")
			if !ok || !strings.HasPrefix(entry, prefix) {
				continue
			}
			if found == nil {
				found = make(map[string]string)
			}
			found[name] = value
		}
	}
	return found
}
