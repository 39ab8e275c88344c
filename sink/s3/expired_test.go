package s3

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A certificate that has expired while nobody looked is an error within seconds, which says so.
func TestAnExpiredCertificateIsSaidWithinSeconds(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(-time.Minute)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: until.Add(-time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that we end
	s.StartTLS()
	defer s.Close()
	trusted, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(trusted)
	cfg := config("k", canarySecret)
	cfg.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	begin := time.Now()
	_, err = Open(t.Context(), cfg, "b", &Options{Endpoint: s.URL, PathStyle: true})
	if err == nil || !strings.Contains(err.Error(), "expired") || strings.Contains(err.Error(), canarySecret) {
		t.Errorf("got %v, want an error that says that the certificate has expired, and no secret", err)
	}
	if d := time.Since(begin); d > 12*time.Second {
		t.Errorf("it took %v", d)
	}
}
