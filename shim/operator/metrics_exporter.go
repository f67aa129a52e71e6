package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v3"
)

const exporterDescription = `Serves what the host's service has collected as Prometheus metrics at /metrics,
until it is told to end. It listens on a unix socket or a loopback address only:
the metrics name pods' arms and failures, and there is no authentication.

  tango exporter --listen unix:/run/tango-exporter/metrics.sock
  tango exporter --listen 127.0.0.1:9788

With OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) in the
environment, operations that belong to a trace are sent there as spans, too. Without,
containerd's own settings hold, as the collector that it has started knows them.

Exit codes: 0 when told to end; 1 failed; 2 usage.`

func exporterCommand() *cli.Command {
	return &cli.Command{
		Name: "exporter", Usage: "serve Prometheus metrics", Description: exporterDescription,
		Flags: []cli.Flag{
			runDirFlag(),
			&cli.StringFlag{Name: "listen", Usage: "`ADDRESS`: unix:PATH, or a loopback address with port", Value: "127.0.0.1:9788"},
		},
		OnUsageError: usage,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			spans, err := spanTarget(os.Getenv)
			if err != nil {
				return err
			}
			l, err := listenMetrics(ctx, c.String("listen"))
			if err != nil {
				return err
			}
			return serveMetrics(ctx, l, c.String("run-dir"), spans)
		},
	}
}

// listenMetrics opens the address, which nobody outside of this host can reach.
func listenMetrics(ctx context.Context, address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenSocket(ctx, path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usageError{fmt.Errorf("cannot listen on %q: want unix:PATH or HOST:PORT", address)}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usageError{fmt.Errorf("cannot listen on %q: it is no loopback address", address)}
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

// listenSocket makes the socket, for its owner and group. A socket that nobody
// serves is left from before.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if conn, err := net.Dial("unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("cannot listen on %s: another process does", path)
		}
		_ = os.Remove(path)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660)
}

// serveMetrics serves, and sends spans, until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, runDir string, t *target) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(newMetricSet(runDir)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	spans := make(chan error, 1)
	go func() { spans <- sendSpans(ctx, runDir, t) }()
	err := server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, <-spans)
}
