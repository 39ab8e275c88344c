package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Options are optional settings; nil means all defaults.
type Options struct {
	// Header is asked before each request for what is sent with it, such as Authorization, so that a token may change. Its
	// error is an unknown outcome, or one of access if it matches fs.ErrPermission.
	//
	// Defaults to none.
	Header func(ctx context.Context) (http.Header, error)

	// Secret signs each request: the header Onceflow-Signature is "sha256=" and the HMAC-SHA256 of the body in hex.
	//
	// Defaults to no signature.
	Secret []byte

	// Timeout is how long one request may take, the reply included.
	//
	// Defaults to 1 minute.
	Timeout time.Duration

	// Client sends the requests. Redirects are never followed.
	//
	// Defaults to one of its own, with http.DefaultTransport.
	Client *http.Client
}

// Notice is what is posted, as JSON. It names what a unit has; the receiver reads the files itself.
type Notice struct {
	Unit     string `json:"unit"`              // delivery.Unit.ID
	Attempt  int    `json:"attempt,omitempty"` // delivery.Unit.Attempt
	Delivery string `json:"delivery"`
	Job      string `json:"job"`

	After  delivery.Cursor `json:"after"`
	Cursor delivery.Cursor `json:"cursor"`

	Rows  int64           `json:"rows"`
	Bytes int64           `json:"bytes"`
	Files []manifest.File `json:"files"` // as in a manifest: docs/format.md
}

// New makes a Target that posts to an endpoint, an http:// or https:// address.
func New(endpoint string, opts *Options) (delivery.Target, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, errors.New("webhook: the address cannot be read") // its error has the address, and that may have a secret
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("webhook: the address is no http:// or https:// with a host, but %s://%s", u.Scheme, u.Host)
	}
	if o.Timeout < 0 {
		return nil, fmt.Errorf("webhook: Timeout %s is negative", o.Timeout)
	}
	var client http.Client
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Timeout = 0
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	return &target{url: endpoint, host: u.Host, opts: o, client: &client}, nil
}

type target struct {
	url, host string
	opts      Options
	client    *http.Client
}

// mostSaid bounds what is read of an answer, and mostReason what is told of it.
const (
	mostSaid   = 64 << 10
	mostReason = 500
)

func (w *target) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	if len(u.Packs) > 0 {
		return delivery.Result{}, errors.New("webhook: the unit has rows in packs, which a receiver cannot read: leave delivery.Options.Decoded unset, or deliver by the hour")
	}
	status, said, err := w.post(ctx, u)
	switch {
	case err != nil:
		return delivery.Result{}, fmt.Errorf("webhook at %s: %w", w.host, err)
	case status >= 200 && status < 300, status == http.StatusConflict:
		return delivery.Result{Rows: u.Rows()}, nil
	}
	err = fmt.Errorf("webhook at %s answered %d %s: %.*q", w.host, status, http.StatusText(status), mostReason, said)
	switch status {
	case http.StatusUnprocessableEntity:
		return delivery.Result{}, delivery.Refuse(err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return delivery.Result{}, fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return delivery.Result{}, err
}

// post returns the status and the beginning of the answer.
func (w *target) post(ctx context.Context, u *delivery.Unit) (status int, said string, err error) {
	body, err := json.Marshal(Notice{
		Unit: u.ID, Attempt: u.Attempt, Delivery: u.Delivery, Job: u.Job, After: u.After, Cursor: u.Cursor, Rows: u.Rows(), Bytes: u.Bytes(), Files: u.Files,
	})
	if err != nil {
		return 0, "", err
	}
	limited, cancel := context.WithTimeout(ctx, w.opts.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(limited, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return 0, "", errors.New("no request can be made of its address")
	}
	if w.opts.Header != nil {
		h, err := w.opts.Header(limited)
		if err != nil {
			return 0, "", fmt.Errorf("its Header: %w", err)
		}
		for name, values := range h {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", fmt.Sprintf("%s-a%d", u.ID, u.Attempt))
	if len(w.opts.Secret) > 0 {
		r.Header.Set("Onceflow-Signature", sign(w.opts.Secret, body))
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return 0, "", plain(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostSaid))
	if err != nil && resp.StatusCode != http.StatusConflict && resp.StatusCode/100 != 2 {
		return 0, "", plain(ctx, err)
	}
	return resp.StatusCode, string(text), nil
}

// plain is an error without the address, whose path or query may be a secret.
func plain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
