// Package servertest gives tests real servers. A test that asks for one is skipped unless ONCEFLOW_SERVERS=1, as make
// test sets it, so that plain go test needs Go only.
//
// One test binary shares its servers: tests keep apart by names of topics and buckets. A test that kills a server or
// needs it set up in a special way starts its own with package servers.
package servertest

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
)

// startup bounds installing and starting; building a server from source takes minutes.
const startup = 15 * time.Minute

// Need skips the test unless servers may be started, and opens the cache.
func Need(t testing.TB) *servers.Cache {
	t.Helper()
	if os.Getenv("ONCEFLOW_SERVERS") != "1" {
		t.Skip("needs real servers: set ONCEFLOW_SERVERS=1 (make test does)")
	}
	c, err := servers.Open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Kafka starts a cluster for this test alone.
func Kafka(t testing.TB, o *servers.KafkaOptions) *servers.Kafka {
	t.Helper()
	k := begin(t, func(ctx context.Context, c *servers.Cache) (*servers.Kafka, error) {
		return servers.StartKafka(ctx, c, o)
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(k.Logs())
		}
		k.Stop()
	})
	return k
}

// MinIO starts an S3 server for this test alone.
func MinIO(t testing.TB) *servers.MinIO {
	t.Helper()
	m := begin(t, servers.StartMinIO)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.Process().Tail(30))
		}
		m.Stop()
	})
	return m
}

// Versity starts another S3 server for this test alone.
func Versity(t testing.TB) *servers.Versity {
	t.Helper()
	v := begin(t, servers.StartVersity)
	t.Cleanup(v.Stop)
	return v
}

// Toxiproxy starts a proxy server for this test alone.
func Toxiproxy(t testing.TB) *servers.Toxiproxy {
	t.Helper()
	p := begin(t, servers.StartToxiproxy)
	t.Cleanup(p.Stop)
	return p
}

// KinesisLocal starts the faithful Kinesis emulator for this test alone.
func KinesisLocal(t testing.TB) *servers.Kinesis {
	t.Helper()
	k := begin(t, servers.StartKinesisLocal)
	t.Cleanup(k.Stop)
	return k
}

// Kinesalite starts the fast Kinesis emulator for this test alone.
func Kinesalite(t testing.TB) *servers.Kinesis {
	t.Helper()
	k := begin(t, servers.StartKinesalite)
	t.Cleanup(k.Stop)
	return k
}

func begin[S any](t testing.TB, start func(context.Context, *servers.Cache) (S, error)) S {
	t.Helper()
	c := Need(t)
	ctx, cancel := context.WithTimeout(context.Background(), startup)
	defer cancel()
	s, err := start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// GCS starts an emulator of Google Cloud Storage for this test alone. wrap, if not nil, may spoil its answers.
func GCS(t testing.TB, wrap func(http.Handler) http.Handler) *servers.GCS {
	t.Helper()
	g := begin(t, func(ctx context.Context, c *servers.Cache) (*servers.GCS, error) {
		return servers.StartGCS(ctx, c, wrap)
	})
	t.Cleanup(g.Stop)
	return g
}

// Redis starts a server for this test alone.
func Redis(t testing.TB) *servers.Redis {
	t.Helper()
	r := begin(t, servers.StartRedis)
	t.Cleanup(r.Stop)
	return r
}

// Postgres starts a server for this test alone.
func Postgres(t testing.TB) *servers.Postgres {
	t.Helper()
	p := begin(t, servers.StartPostgres)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.Process().Tail(30))
		}
		p.Stop()
	})
	return p
}

// DynamoDB starts a server for this test alone.
func DynamoDB(t testing.TB) *servers.DynamoDB {
	t.Helper()
	d := begin(t, servers.StartDynamoDB)
	t.Cleanup(d.Stop)
	return d
}
