package operator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tango/shim/telemetry"
)

// metricSet turns a snapshot of the collector into Prometheus's metrics, anew at
// each scrape.
//
// This is a process of its own because client_golang costs every process that links
// it some milliseconds at its start, and the shim's binary is executed several times
// for each container.
type metricSet struct {
	runDir string
	family map[string]*prometheus.Desc
}

// metricHelp are the metrics, with their labels. What the service says of itself,
// under names that the service chooses, comes on top.
var metricHelp = []struct {
	name, help string
	labels     []string
}{
	{"tango_up", "Whether the host's service answers.", nil},
	{"tango_info", "The node, its kernel and class of hardware.", []string{"node", "kernel", "hardware"}},
	{"tango_operations_total", "Creates, starts, execs and deletes by arm, way of making the root filesystem, and result: ok or what failed.", []string{"op", "arm", "way", "result"}},
	{"tango_phase_seconds", "How long the phases of operations took; the phase total is all of it.", []string{"op", "phase", "arm"}},
	{"tango_mount_calls_total", "Mount calls by tango itself, without libcontainer's.", []string{"call", "arm"}},
	{"tango_mount_call_seconds_total", "Time in the kernel of these calls.", []string{"call", "arm"}},
	{"tango_fallbacks_total", "Containers for which something was done the slow way.", []string{"kind", "arm"}},
	{"tango_layers_total", "Image layers of created containers.", []string{"arm"}},
	{"tango_layer_mounts", "Mounts of layers' parents that containers share, in all shims.", nil},
	{"tango_layer_mount_users", "Uses of them.", nil},
	{"tango_mappings", "User namespaces that id-mapped mounts are made with.", nil},
	{"tango_ungrouped_layers", "Layers that no shared mount reached, since their shims began.", nil},
	{"tango_shims", "Shims that have told of themselves and run.", nil},
	{"tango_records_total", "Records by what became of them: taken, bad, dropped by shims, or lost on their way to a file.", []string{"fate"}},
	{"tango_rollout_disabled", "Arms that are switched off, by hand or by the guard.", []string{"arm", "by"}},
	{"tango_rollout_starts", "Creates and starts that the guard judges an arm by.", []string{"arm"}},
	{"tango_rollout_failure_ratio", "Part of them that failed by the runtime's fault.", []string{"arm"}},
}

// serviceHelp says what the service's own metrics are, by its names for them. One of
// another version may have more.
var serviceHelp = map[string]string{
	"leases_total":                   "Turns lent to shims.",
	"leases_expired_total":           "Turns that were taken back, since a shim kept them too long.",
	"turns_total":                    "Turns taken, by mount workers and shims.",
	"turn_handovers_total":           "Turns that went from one NUMA node to another.",
	"turn_waits_total":               "Turns that had to be waited for.",
	"turn_wait_seconds_total":        "Time waited for turns.",
	"turn_longest_wait_seconds":      "Longest wait for a turn.",
	"turn_waiting":                   "Who waits for a turn now.",
	"turn_holders":                   "Who has a turn now.",
	"worker_queued":                  "Jobs that wait in the mount workers' queues now.",
	"worker_batches_total":           "Batches that mount workers have done, one turn each.",
	"worker_jobs_total":              "Jobs in them.",
	"worker_jobs_dropped_total":      "Jobs that were given up before a worker had begun them.",
	"worker_wait_seconds_total":      "Time that jobs waited in queues.",
	"worker_longest_wait_seconds":    "Longest wait in a queue.",
	"service_layer_mounts":           "Mounts of layers' parents that the service holds for containers to share.",
	"service_mappings":               "User namespaces that the service makes id-mapped mounts with.",
	"service_builds_kept":            "Root filesystems built lately, whose part of what containers share is kept for the next.",
	"service_ungrouped_layers_total": "Layers that no shared mount of the service reached.",
}

func newMetricSet(runDir string) *metricSet {
	m := &metricSet{runDir: runDir, family: map[string]*prometheus.Desc{}}
	for _, f := range metricHelp {
		m.family[f.name] = prometheus.NewDesc(f.name, f.help, f.labels, nil)
	}
	return m
}

// Describe tells nothing beforehand: which metrics the service adds isn't known.
func (m *metricSet) Describe(chan<- *prometheus.Desc) {}

// Collect asks the service. Where it doesn't answer, tango_up is 0 and all there is.
func (m *metricSet) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := telemetry.Fetch(ctx, m.runDir)
	if err != nil {
		m.gauge(ch, "tango_up", 0)
		return
	}
	m.gauge(ch, "tango_up", 1)
	m.gauge(ch, "tango_info", 1, s.Node, s.Kernel, s.Hardware)
	for _, o := range s.Operations {
		m.counter(ch, "tango_operations_total", float64(o.Count), o.Op, o.Arm, o.Way, o.Result)
	}
	for _, p := range s.Phases {
		m.histogram(ch, p)
	}
	m.collectCounts(ch, s.Counts)
	m.collectShims(ch, s.Shims)
	m.collectRollout(ch, s)
	for fate, n := range map[string]uint64{"taken": s.Records, "bad": s.Bad, "dropped": s.Dropped, "lost": s.Lost} {
		m.counter(ch, "tango_records_total", float64(n), fate)
	}
	collectService(ch, s.Gauges)
}

func (m *metricSet) collectCounts(ch chan<- prometheus.Metric, counts []telemetry.Count) {
	for _, c := range counts {
		kind, name, _ := strings.Cut(c.Name, ".")
		switch kind {
		case "calls":
			m.counter(ch, "tango_mount_calls_total", float64(c.Count), name, c.Arm)
		case "ns":
			m.counter(ch, "tango_mount_call_seconds_total", float64(c.Count)/1e9, name, c.Arm)
		case "fallback":
			m.counter(ch, "tango_fallbacks_total", float64(c.Count), name, c.Arm)
		case "layers":
			m.counter(ch, "tango_layers_total", float64(c.Count), c.Arm)
		}
	}
}

func (m *metricSet) collectShims(ch chan<- prometheus.Metric, shims []telemetry.Shim) {
	sum := map[string]int64{}
	for _, s := range shims {
		for name, n := range s.Gauges {
			sum[name] += n
		}
	}
	for _, name := range []string{"layer_mounts", "layer_mount_users", "mappings", "ungrouped_layers"} {
		m.gauge(ch, "tango_"+name, float64(sum[name]))
	}
	m.gauge(ch, "tango_shims", float64(len(shims)))
}

func (m *metricSet) collectRollout(ch chan<- prometheus.Metric, s telemetry.Snapshot) {
	for arm, sw := range s.Rollout.Disabled {
		m.gauge(ch, "tango_rollout_disabled", 1, arm, sw.By)
	}
	for arm, r := range s.Rollout.Rates {
		m.gauge(ch, "tango_rollout_starts", float64(r.Starts), arm)
		m.gauge(ch, "tango_rollout_failure_ratio", r.Value(), arm)
	}
}

// collectService passes on what the service says of itself. Names that end in _total
// are counters.
func collectService(ch chan<- prometheus.Metric, values map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !isMetricName(name) {
			continue
		}
		kind := prometheus.GaugeValue
		if strings.HasSuffix(name, "_total") {
			kind = prometheus.CounterValue
		}
		desc := prometheus.NewDesc("tango_"+name, cmp.Or(serviceHelp[name], "Told by the host's service."), nil, nil)
		ch <- prometheus.MustNewConstMetric(desc, kind, values[name])
	}
}

// isMetricName tells whether a text is lower case letters, digits and underscores.
func isMetricName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func (m *metricSet) gauge(ch chan<- prometheus.Metric, name string, v float64, labels ...string) {
	m.send(ch, prometheus.NewConstMetric, name, prometheus.GaugeValue, v, labels)
}

func (m *metricSet) counter(ch chan<- prometheus.Metric, name string, v float64, labels ...string) {
	m.send(ch, prometheus.NewConstMetric, name, prometheus.CounterValue, v, labels)
}

type constMetric func(*prometheus.Desc, prometheus.ValueType, float64, ...string) (prometheus.Metric, error)

func (m *metricSet) send(ch chan<- prometheus.Metric, create constMetric, name string, kind prometheus.ValueType, v float64, labels []string) {
	metric, err := create(m.family[name], kind, v, labels...)
	if err != nil { // a label that is no UTF-8
		metric = prometheus.NewInvalidMetric(m.family[name], fmt.Errorf("cannot export %s: %w", name, err))
	}
	ch <- metric
}

// histogram makes the buckets cumulative and in seconds, as Prometheus has them.
func (m *metricSet) histogram(ch chan<- prometheus.Metric, p telemetry.PhaseTimes) {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, bound := range telemetry.Bounds() {
		sum += p.Times.Buckets[i]
		buckets[bound.Seconds()] = sum
	}
	desc := m.family["tango_phase_seconds"]
	metric, err := prometheus.NewConstHistogram(desc, p.Times.Count, p.Times.Sum.Seconds(), buckets, p.Op, p.Phase, p.Arm)
	if err != nil {
		metric = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- metric
}
