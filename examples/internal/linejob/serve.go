package linejob

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/monitor"
)

// serve answers at addr: /healthz and /readyz for Kubernetes, /metrics for Prometheus, and a page for people at /. Its texts
// may quote records, so addr should not be one that everybody reaches.
func serve(ctx context.Context, addr string, set *metrics.Set, log *slog.Logger) (stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-http: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", monitor.New(set, nil))
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if err := set.WriteText(w); err != nil {
			log.Debug("metrics were not taken", "error", err)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = server.Serve(l) // which ends by Close
	}()
	log.Info("serving", "url", "http://"+l.Addr().String())
	return func() { _ = server.Close(); <-over }, nil
}
