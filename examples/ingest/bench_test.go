package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// serveVariable makes the test's program a server: endpoint, or bare.
const serveVariable = "ONCEFLOW_INGEST_SERVE"

// serveInstead serves until it is told to end, and prints its address.
func serveInstead(what, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if what == "endpoint" {
		o := &options{role: "endpoint", out: dir, listen: "127.0.0.1:0", batch: 10_000, age: 20 * time.Millisecond, deadline: 90 * time.Second}
		p, err := openParts(ctx, o)
		if err != nil {
			return err
		}
		e, err := openEndpoint(ctx, o, p)
		if err != nil {
			return err
		}
		fmt.Println(e.addr())
		return e.serve(ctx)
	}
	return serveBare(ctx, dir)
}

// serveBare is a handler that only appends to a file.
func serveBare(ctx context.Context, dir string) error {
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		return err
	}
	defer f.Close()
	var mu sync.Mutex
	memory := newBudget(1 << 30)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := newBody(memory)
		defer b.free()
		if err := b.read(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if _, err := f.Write(b.text); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})}
	fmt.Println(l.Addr())
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	_ = server.Serve(l)
	return nil
}

// BenchmarkEndpoint is what an endpoint on one core costs for events of 500 bytes, 100 in a request of one of 64 clients, beside a
// handler that only appends what it reads to a file. Clients run in another process.
func BenchmarkEndpoint(b *testing.B) {
	cpu := map[string]float64{}
	for _, what := range []string{"bare", "endpoint"} {
		b.Run(what, func(b *testing.B) {
			cpu[what] = load(b, what)
			b.ReportMetric(cpu[what], "cpu-ns/event")
			if what == "endpoint" {
				b.ReportMetric(cpu[what]/cpu["bare"], "times-bare")
			}
		})
	}
}

const perRequest = 100

// load sends b.N requests and returns the CPU time of the server for an event, in nanoseconds.
func load(b *testing.B, what string) float64 {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), serveVariable+"="+what, "GOMAXPROCS=1")
	cmd.Dir, cmd.Stderr = b.TempDir(), os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		b.Fatal("the server says no address")
	}
	url := "http://" + lines.Text() + "/events"
	var text []byte
	for i := range perRequest {
		at := len(text)
		text = fmt.Appendf(text, `{"id":"e%07d","at":%q,"user":"u%05d","page":"/a/%x"`, i*7919, time.Now().UTC().Format(time.RFC3339), i*31, i*104_729)
		for len(text)-at < 485 {
			text = fmt.Appendf(text, `,"f%d":%d`, len(text)-at, (i+len(text))*7919%10_007)
		}
		text = append(text, "}\n"...)
	}
	const clients = 64
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	b.ResetTimer()
	for range clients {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := request(client, url, text); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*perRequest)/b.Elapsed().Seconds(), "events/s")
	client.CloseIdleConnections()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(b.N*perRequest)
}

// request sends a request until it is accepted.
func request(client *http.Client, url string, text []byte) error {
	for {
		resp, err := client.Post(url, "application/x-ndjson", bytes.NewReader(text))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusTooManyRequests:
		default:
			return fmt.Errorf("the server says %s", resp.Status)
		}
	}
}
