package kafka_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/kafka"
)

const canary = "canary-Xy7-secret"

// certificate makes one that signs itself, for 127.0.0.1, as PEM. It is valid for two hours.
func certificate(t *testing.T, until time.Time) (key, cert string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kb})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// token makes tokens that are valid for a while, and counts them.
func token(valid time.Duration, asked *atomic.Int64) func(context.Context) (kafka.Token, error) {
	return func(context.Context) (kafka.Token, error) {
		if asked != nil {
			asked.Add(1)
		}
		now := time.Now().Add(-time.Second)
		claims := fmt.Sprintf(`{"sub":"alice","iat":%d,"exp":%d,"jti":"%s"}`, now.Unix(), now.Add(valid).Unix(), canary)
		b64 := base64.RawURLEncoding.EncodeToString
		return kafka.Token{Value: b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + "."}, nil
	}
}

// session is after how long the broker wants another token on a connection.
const session = 2 * time.Second

// secure starts a broker that wants TLS and SASL, and returns what trusts it.
func secure(t *testing.T) (*servers.Kafka, *tls.Config) {
	t.Helper()
	servertest.Need(t)
	key, cert := certificate(t, time.Now().Add(time.Hour))
	line := func(s string) string { return strings.ReplaceAll(s, "\n", "\\n") }
	const l = "listener.name.client."
	k := servertest.Kafka(t, &servers.KafkaOptions{
		Protocol: "SASL_SSL",
		Scram:    []string{"SCRAM-SHA-256=[name=alice,password=" + canary + "]", "SCRAM-SHA-512=[name=alice,password=" + canary + "]"},
		Properties: map[string]string{
			l + "ssl.keystore.type":              "PEM",
			l + "ssl.keystore.key":               line(key),
			l + "ssl.keystore.certificate.chain": line(cert),
			l + "sasl.enabled.mechanisms":        "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
			l + "scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
			l + "scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
			// Kafka's own validator for tests takes tokens that nobody has signed.
			l + "oauthbearer.sasl.jaas.config":          "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";",
			l + "oauthbearer.connections.max.reauth.ms": fmt.Sprint(session.Milliseconds()),
			l + "plain.sasl.jaas.config":                "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"" + canary + "\";",
		},
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(cert))
	return k, &tls.Config{RootCAs: pool}
}

func TestEachWayToAuthenticateWorksAndTellsNoSecret(t *testing.T) {
	k, trust := secure(t)
	w := atSecure(t, k.Brokers(), trust)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 20, w.change)
	for name, a := range map[string]*kafka.SASL{
		"SCRAM-SHA-256": kafka.SCRAM256("alice", canary), "SCRAM-SHA-512": kafka.SCRAM512("alice", canary),
		"PLAIN": kafka.Plain("alice", canary), "OAUTHBEARER": kafka.OAuthBearer(token(time.Minute, nil)),
	} {
		t.Run(name, func(t *testing.T) {
			var log syncBuffer
			o := &kafka.Options{TLS: trust, SASL: a, Logger: debugLog(&log)}
			r := read(t, w.openGroup(name, o, topic))
			r.records(20)
			o.Logger.Info("options", "options", o, "sasl", a)
			for _, s := range []string{log.String(), fmt.Sprintf("%v %+v %#v %s", o, *o, a, a), fmt.Sprint(r.src.Info(), r.src.Health().Lag)} {
				if strings.Contains(s, canary) || strings.Contains(s, b64Canary) {
					t.Errorf("the secret is in %q", s)
				}
			}
		})
	}
	t.Run("another token when the session ends", func(t *testing.T) {
		var asked atomic.Int64
		r := read(t, w.openGroup("sessions", &kafka.Options{TLS: trust, SASL: kafka.OAuthBearer(token(time.Minute, &asked))}, topic))
		r.records(20)
		n, begin, first := 20, time.Now(), asked.Load()
		for time.Since(begin) < 2*session || asked.Load() == first { // as fast as records can be written and read
			w.produce(topic, 0, n, n+1, w.change)
			n++
			r.records(n)
		}
		r.check(r.partition(topic, 0), 0, n)
	})
}

// b64Canary is in every token.
var b64Canary = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "."

// A password that was changed could not be told to a source: it had to be started again, by somebody who knew why it failed.
func TestAPasswordThatIsChangedIsAskedForAgain(t *testing.T) {
	k, trust := secure(t)
	w := atSecure(t, k.Brokers(), trust)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 20, w.change)
	var password atomic.Value
	password.Store(canary)
	sasl := kafka.SCRAM256("alice", "").Rotating(func(context.Context) (string, error) { return password.Load().(string), nil })
	for i, next := range []string{canary, "another-" + canary} {
		if _, err := w.admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{
			{Name: "alice", Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: 4096, Salt: []byte("salt"), Password: []byte(next)},
		}); err != nil {
			t.Fatal(err)
		}
		password.Store(next)
		read(t, w.openGroup(fmt.Sprint("group", i), &kafka.Options{TLS: trust, SASL: sasl}, topic)).records(20)
	}
	password.Store(canary) // it is the old one now
	_, err := kafka.Open(t.Context(), kafka.Config{Brokers: k.Brokers(), Group: "g", Topics: []string{topic}}, &kafka.Options{TLS: trust, SASL: sasl})
	if err == nil || !strings.Contains(err.Error(), "as SCRAM-SHA-256 alice: is it the password") || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v, want an error that speaks of the password and does not tell it", err)
	}
}

func TestWrongCredentialsAreAnErrorWithinSecondsThatTellsNoSecret(t *testing.T) {
	k, trust := secure(t)
	other := kafka.OAuthBearer(func(context.Context) (kafka.Token, error) { return kafka.Token{}, errors.New("no token today") })
	for name, o := range map[string]*kafka.Options{
		"wrong password": {TLS: trust, SASL: kafka.SCRAM256("alice", canary+"x")},
		"unknown user":   {TLS: trust, SASL: kafka.SCRAM512("bob", canary)},
		"wrong plain":    {TLS: trust, SASL: kafka.Plain("alice", canary+"x")},
		"no SASL":        {TLS: trust},
		"no TLS":         {SASL: kafka.SCRAM256("alice", canary)},
		"not trusted":    {TLS: &tls.Config{}, SASL: kafka.SCRAM256("alice", canary)},
		"wrong host":     {TLS: &tls.Config{RootCAs: trust.RootCAs, ServerName: "example.org"}, SASL: kafka.SCRAM256("alice", canary)},
		"no token":       {TLS: trust, SASL: other},
		"expired token":  {TLS: trust, SASL: kafka.OAuthBearer(token(-time.Hour, nil))},
	} {
		begin := time.Now()
		_, err := kafka.Open(t.Context(), kafka.Config{Brokers: k.Brokers(), Group: "g", Topics: []string{"t"}}, o)
		if err == nil {
			t.Errorf("%s: opened", name)
			continue
		}
		if d := time.Since(begin); d > 12*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
		if s := err.Error(); strings.Contains(s, canary) || strings.Contains(s, b64Canary) || !strings.Contains(s, k.Brokers()[0]) {
			t.Errorf("%s: it tells the secret, or not the broker: %s", name, s)
		}
		t.Logf("%s: %v", name, err)
	}
}

// A certificate that has expired while nobody looked is an error within seconds, which says so and names the broker.
func TestAnExpiredCertificateIsSaidWithinSeconds(t *testing.T) {
	key, cert := certificate(t, time.Now().Add(-time.Minute))
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake() // it fails at the other end
			_ = c.Close()
		}
	}()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(cert))
	broker, begin := l.Addr().String(), time.Now()
	o := &kafka.Options{TLS: &tls.Config{RootCAs: pool}, SASL: kafka.SCRAM256("alice", canary)}
	_, err = kafka.Open(t.Context(), kafka.Config{Brokers: []string{broker}, Group: "g", Topics: []string{"t"}}, o)
	if err == nil || !strings.Contains(err.Error(), "expired") || !strings.Contains(err.Error(), broker) || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v, want an error that says which broker's certificate has expired, and no secret", err)
	}
	if d := time.Since(begin); d > 12*time.Second {
		t.Errorf("it took %v", d)
	}
}

func debugLog(b *syncBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func atSecure(t *testing.T, brokers []string, trust *tls.Config) *world {
	change := func(c *sarama.Config) {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, trust
		c.Net.SASL.Enable, c.Net.SASL.Mechanism, c.Net.SASL.User, c.Net.SASL.Password = true, sarama.SASLTypePlaintext, "alice", canary
	}
	w := at(t, brokers, change)
	w.change = change
	return w
}
