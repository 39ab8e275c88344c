package gcs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/onceflow/onceflow/sink/driver"
)

// Neither the key of a service account, nor what is signed with it, nor the token that is got for it is told, whether no token
// is given or the service refuses the one that was.
func TestRefusedCredentialsAreSaidWithoutTheirSecrets(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	secrets := strings.Split(strings.TrimSpace(text), "\n")[1:5]
	for name, gives := range map[string]bool{"no token": false, "a token that is refused": true} {
		t.Run(name, func(t *testing.T) {
			const token = "canary-Xy7-token"
			var mu sync.Mutex
			told := append([]string{token}, secrets...)
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if form, err := url.ParseQuery(string(body)); err == nil && form.Get("assertion") != "" {
					mu.Lock()
					told = append(told, form.Get("assertion"))
					mu.Unlock()
					if gives {
						w.Header().Set("Content-Type", "application/json")
						fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
						return
					}
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"error":{"code":401,"message":"no"}}`)
			}))
			defer service.Close()
			account, err := json.Marshal(map[string]string{
				"type": "service_account", "client_email": "a@b", "private_key_id": "1", "private_key": text, "token_uri": service.URL + "/token",
			})
			if err != nil {
				t.Fatal(err)
			}
			client, err := storage.NewClient(t.Context(), option.WithAuthCredentialsJSON(option.ServiceAccount, account), option.WithEndpoint(service.URL+"/storage/v1/"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = Open(t.Context(), "b", &Options{Client: client, Attempts: 2})
			if err == nil || gives && !errors.Is(err, driver.ErrPermanent) {
				t.Errorf("opened with %v, want an error, permanent if the service has answered", err)
			}
			t.Logf("said: %v", err)
			mu.Lock()
			defer mu.Unlock()
			if len(told) < 6 {
				t.Fatal("no token was asked for")
			}
			for _, s := range told {
				if strings.Contains(fmt.Sprint(err), s) {
					t.Errorf("the error has the secret %.20q: %v", s, err)
				}
			}
		})
	}
}
