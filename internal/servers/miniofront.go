package servers

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// MinIOFront is a proxy in front of a MinIO that makes CompleteMultipartUpload what it is at Amazon: done whole or not at
// all, whatever becomes of the client. The pinned MinIO loses the upload, object and parts, if the client hangs up or the
// server is killed in the middle of it: of completions that were cut off within milliseconds, four in ten.
type MinIOFront struct {
	minio  *MinIO
	server http.Server
	port   int

	completing sync.RWMutex // held for reading by each completion
}

// Front starts a proxy. What it forwards keeps its Host header, which is signed.
func (m *MinIO) Front(ctx context.Context, c *Cache) (*MinIOFront, error) {
	l, port, to, err := c.front(ctx, m.Endpoint())
	if err != nil {
		return nil, err
	}
	f := &MinIOFront{minio: m, port: port}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		},
		// A server that is away hangs up.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			f.complete(w, r, to)
			return
		}
		pass.ServeHTTP(w, r)
	})
	go func() { _ = f.server.Serve(l) }()
	return f, nil
}

// complete forwards a completion. The end of the client does not end it.
func (f *MinIOFront) complete(w http.ResponseWriter, r *http.Request, to *url.URL) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f.completing.RLock()
	defer f.completing.RUnlock()
	q := r.Clone(context.WithoutCancel(r.Context()))
	q.RequestURI, q.URL.Scheme, q.URL.Host, q.Body = "", to.Scheme, to.Host, io.NopCloser(bytes.NewReader(body))
	resp, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// Port is the proxy's port on loopback.
func (f *MinIOFront) Port() int { return f.port }

// Kill ends the MinIO with SIGKILL, but not in the middle of a completion.
func (f *MinIOFront) Kill() {
	f.completing.Lock()
	defer f.completing.Unlock()
	f.minio.Process().Kill()
}

// Stop ends the proxy.
func (f *MinIOFront) Stop() { _ = f.server.Close() }
