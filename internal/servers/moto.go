package servers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Versions of moto and of what makes it a server; its own list of extras would bring all of AWS.
const (
	motoVersion      = "5.2.5"
	flaskVersion     = "3.1.3"
	flaskCORSVersion = "6.0.5"
)

// Moto is a running emulator of S3 that, unlike MinIO, lists multipart uploads by prefix, as Amazon's does. It takes any
// credentials and keeps its data in memory.
type Moto struct {
	*Process
	front http.Server
	dir   string
	port  int // of the front
}

// InstallMoto installs the emulator into a Python environment of its own.
func InstallMoto(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "moto", motoVersion, func(ctx context.Context, dir string) error {
		if err := run(ctx, dir, nil, "python3", "-m", "venv", dir); err != nil {
			return err
		}
		return run(ctx, dir, nil, filepath.Join(dir, "bin", "pip"), "install", "--quiet", "moto[s3]=="+motoVersion,
			"flask=="+flaskVersion, "flask-cors=="+flaskCORSVersion)
	})
}

// StartMoto starts an empty emulator.
func StartMoto(ctx context.Context, c *Cache) (*Moto, error) {
	home, err := InstallMoto(ctx, c)
	if err != nil {
		return nil, err
	}
	ports, err := c.ports(ctx, 2)
	if err != nil {
		return nil, err
	}
	m := &Moto{port: ports[1]}
	if m.dir, err = temp("", "moto"); err != nil {
		return nil, err
	}
	m.Process, err = start(ctx, spec{
		name: "moto", log: filepath.Join(m.dir, "moto.log"), ready: listens(ports[0]),
		args: []string{filepath.Join(home, "bin", "moto_server"), "-H", "127.0.0.1", "-p", strconv.Itoa(ports[0])},
	})
	if err == nil {
		err = m.serve(ctx, ports[0])
	}
	if err != nil {
		m.Stop()
		return nil, err
	}
	return m, nil
}

// serve starts a front, for two faults of this version: it looks whether an object is there and then writes it, in threads, so
// that two creations can both succeed; and it stumbles over the completion of an upload that is not there, and answers 500.
func (m *Moto) serve(ctx context.Context, port int) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr(m.port))
	if err != nil {
		return err
	}
	to := &url.URL{Scheme: "http", Host: addr(port)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode != http.StatusInternalServerError || r.Request.Method != http.MethodPost || !r.Request.URL.Query().Has("uploadId") {
				return nil
			}
			r.Body.Close()
			body := []byte("<Error><Code>NoSuchUpload</Code><Message>The upload is not there</Message></Error>")
			r.StatusCode, r.Status = http.StatusNotFound, "404 Not Found"
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header = http.Header{"Content-Type": {"application/xml"}, "Content-Length": {fmt.Sprint(len(body))}}
			return nil
		},
	}
	var creating sync.Mutex
	m.front.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			creating.Lock()
			defer creating.Unlock()
		}
		proxy.ServeHTTP(w, r)
	})
	go func() { _ = m.front.Serve(l) }()
	return nil
}

// Endpoint is the URL of the front.
func (m *Moto) Endpoint() string { return "http://" + addr(m.port) }

// Stop ends the emulator and its front.
func (m *Moto) Stop() {
	_ = m.front.Close()
	if m.Process != nil {
		m.Process.Stop()
	}
	_ = os.RemoveAll(m.dir)
}
