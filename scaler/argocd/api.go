package argocd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const longestReply = 16 << 20

// call makes a request to the application's URL.
func (a *Application) call(ctx context.Context, method string, sub []string, request map[string]string, reply any) error {
	u := a.base.JoinPath(append([]string{"api/v1/applications", url.PathEscape(a.c.Name)}, sub...)...)
	var body io.Reader
	if request == nil {
		q := map[string]string{}
		a.address(q)
		values := url.Values{}
		for k, v := range q {
			values.Set(k, v)
		}
		u.RawQuery = values.Encode()
	} else {
		b, err := json.Marshal(request)
		if err != nil {
			return fmt.Errorf("argocd: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fmt.Errorf("argocd: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.c.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.c.Client.Do(req)
	if err != nil {
		return fmt.Errorf("argocd: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, longestReply))
	if err != nil {
		return fmt.Errorf("argocd: %s application %s: %w", method, a.c.Name, err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Message string }
		if json.Unmarshal(b, &e) != nil || e.Message == "" {
			e.Message = "no reason given"
		}
		return fmt.Errorf("argocd: %s application %s: %s: %s", method, a.c.Name, resp.Status, e.Message)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return fmt.Errorf("argocd: %s application %s: not a reply of Argo CD: %w", method, a.c.Name, err)
	}
	return nil
}
