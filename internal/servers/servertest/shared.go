package servertest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/internal/servers"
)

// Shared holds the servers that the tests of one binary share. Each is started by the first test that wants it and
// stopped by Main. The zero value is ready; it is safe for concurrent use.
type Shared struct {
	mu      sync.Mutex
	kafka   *servers.Kafka
	minio   *servers.MinIO
	azurite *servers.Azurite
	versity *servers.Versity
	pg      *servers.Postgres
	dynamo  *servers.DynamoDB
}

// Main runs the tests and stops the servers afterwards. Call it in TestMain: servers.Main(m).
func (s *Shared) Main(m *testing.M) {
	code := m.Run()
	s.Stop()
	os.Exit(code)
}

// Stop stops the servers.
func (s *Shared) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kafka != nil {
		s.kafka.Stop()
	}
	if s.minio != nil {
		s.minio.Stop()
	}
	if s.azurite != nil {
		s.azurite.Stop()
	}
	if s.versity != nil {
		s.versity.Stop()
	}
	if s.pg != nil {
		s.pg.Stop()
	}
	if s.dynamo != nil {
		s.dynamo.Stop()
	}
	s.kafka, s.minio, s.azurite, s.versity, s.pg, s.dynamo = nil, nil, nil, nil, nil, nil
}

// Kafka is a cluster of one broker. Tests may not kill it.
func (s *Shared) Kafka(t testing.TB) *servers.Kafka {
	t.Helper()
	return once(s, t, &s.kafka, func(ctx context.Context, c *servers.Cache) (*servers.Kafka, error) {
		return servers.StartKafka(ctx, c, nil)
	})
}

// MinIO is an S3 server. Tests may not kill it.
func (s *Shared) MinIO(t testing.TB) *servers.MinIO {
	t.Helper()
	return once(s, t, &s.minio, servers.StartMinIO)
}

// Azurite is an emulator of Azure Blob Storage. Tests may not kill it.
func (s *Shared) Azurite(t testing.TB) *servers.Azurite {
	t.Helper()
	return once(s, t, &s.azurite, servers.StartAzurite)
}

// Versity is another S3 server. Tests may not kill it.
func (s *Shared) Versity(t testing.TB) *servers.Versity {
	t.Helper()
	return once(s, t, &s.versity, servers.StartVersity)
}

// Postgres is a PostgreSQL server. Tests may not kill it.
func (s *Shared) Postgres(t testing.TB) *servers.Postgres {
	t.Helper()
	return once(s, t, &s.pg, servers.StartPostgres)
}

// DynamoDB is a DynamoDB Local. Tests may not kill it.
func (s *Shared) DynamoDB(t testing.TB) *servers.DynamoDB {
	t.Helper()
	return once(s, t, &s.dynamo, servers.StartDynamoDB)
}

// once returns the server that at is for. The first call starts it.
func once[S any](s *Shared, t testing.TB, at **S, start func(context.Context, *servers.Cache) (*S, error)) *S {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if *at == nil {
		*at = begin(t, start)
	}
	return *at
}
