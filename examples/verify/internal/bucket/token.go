package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// machineToken is the access token that Google gives to its own machines. It is safe for concurrent use.
type machineToken struct {
	url string // of the metadata server

	mu    sync.Mutex
	token string
	until time.Time
}

// get returns a token that is valid for some minutes yet.
func (m *machineToken) get(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Until(m.until) > 3*time.Minute {
		return m.token, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // elsewhere nobody answers
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/computeMetadata/v1/instance/service-accounts/default/token", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("set $GOOGLE_OAUTH_ACCESS_TOKEN, since this machine has no token of its own: %w", err)
	}
	defer resp.Body.Close()
	var said struct {
		Token   string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("set $GOOGLE_OAUTH_ACCESS_TOKEN, since the metadata server says %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return "", fmt.Errorf("the metadata server's token: %w", err)
	}
	m.token, m.until = said.Token, time.Now().Add(time.Duration(said.Seconds)*time.Second)
	return m.token, nil
}
