package azure

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/onceflow/onceflow/internal/steady"
)

// access is the container's client, and what lets the service read a staged file when it copies it. Functions keep the
// secrets, so that whoever prints a Store does not print them. It is immutable.
type access struct {
	client *container.Client

	// source returns the URL of a blob, which may carry a signature, and the header that has to go with it, if any.
	source func(context.Context, *blockblob.Client) (from string, header *string, err error)

	// hide takes secrets out of a text.
	hide func(string) string
}

const storageScope = "https://storage.azure.com/.default"

// newAccess makes one. Errors do not repeat the URL, which may be a secret.
func newAccess(containerURL string, o *Options, clock *steady.Told) (a access, name string, err error) {
	u, err := url.Parse(containerURL)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return a, "", errors.New("the URL of the container is not like https://ACCOUNT.blob.core.windows.net/CONTAINER")
	}
	signature := u.RawQuery
	u.RawQuery, u.Fragment = "", ""
	name = path.Base(u.Path)
	c := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Retry:            policy.RetryOptions{MaxRetries: -1}, // ours know their own objects
		Transport:        transport(o.HTTP),
		PerRetryPolicies: []policy.Policy{listener{clock}},
	}}
	a.hide = hider(signature)
	switch {
	case signature != "" && (o.Token != nil || o.SharedKey != nil):
		err = errors.New("the URL of the container has a signature, and Options have credentials: one must go")
	case o.SharedKey != nil:
		a.client, err = container.NewClientWithSharedKeyCredential(u.String(), o.SharedKey, c)
		a.source = func(_ context.Context, b *blockblob.Client) (string, *string, error) {
			from, err := b.GetSASURL(sas.BlobPermissions{Read: true}, clock.Now().Add(time.Hour), nil)
			return from, nil, err
		}
	case o.Token != nil:
		a.client, err = container.NewClient(u.String(), o.Token, c)
		a.source = func(ctx context.Context, b *blockblob.Client) (string, *string, error) {
			token, err := o.Token.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{storageScope}})
			header := "Bearer " + token.Token
			return b.URL(), &header, err
		}
	default:
		u.RawQuery = signature
		a.client, err = container.NewClientWithNoCredential(u.String(), c)
		a.source = func(_ context.Context, b *blockblob.Client) (string, *string, error) { return b.URL(), nil, nil }
	}
	return a, name, err
}

// transport is h, or a client that takes bodies as they are and keeps enough connections.
func transport(h *http.Client) policy.Transporter {
	if h != nil {
		return h
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression, t.MaxIdleConnsPerHost = true, 64
	return &http.Client{Transport: t}
}

// listener hears the service's clock in each answer.
type listener struct{ clock *steady.Told }

func (l listener) Do(r *policy.Request) (*http.Response, error) {
	resp, err := r.Next()
	if err == nil && resp.StatusCode < http.StatusInternalServerError {
		if t, dateErr := http.ParseTime(resp.Header.Get("Date")); dateErr == nil {
			l.clock.Hear(t)
		}
	}
	return resp, err
}

var secrets = regexp.MustCompile(`(?i)(\bsig(?:=|%3D)|\bBearer\s+|\bSharedKey\s+)[^&\s"'<>]+`)

// hider takes out signatures and tokens wherever they stand, and what the URL of the container is signed with also where
// it stands alone.
func hider(query string) func(string) string {
	alone := strings.NewReplacer()
	if q, err := url.ParseQuery(query); err == nil && q.Get("sig") != "" {
		alone = strings.NewReplacer(q.Get("sig"), "REDACTED", url.QueryEscape(q.Get("sig")), "REDACTED")
	}
	return func(text string) string { return alone.Replace(secrets.ReplaceAllString(text, "${1}REDACTED")) }
}
