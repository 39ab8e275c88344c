package dynamodb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/deduptest"
	"github.com/onceflow/onceflow/dedup/dynamodb"
	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/record"
)

// shared is one server for the tests that do not harm it.
var shared *servers.DynamoDB

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	os.Exit(code)
}

func client(s *servers.DynamoDB) *service.Client {
	return service.New(service.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()),
		RetryMaxAttempts: 2,
		Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

const tableName = "ids"

func server(t testing.TB) *service.Client {
	c := servertest.Need(t)
	if shared == nil {
		var err error
		if shared, err = servers.StartDynamoDB(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := dynamodb.Create(t.Context(), client(shared), tableName); err != nil {
			t.Fatal(err)
		}
	}
	return client(shared)
}

var names atomic.Int64

// name is new for each store, so that it is empty.
func name() string { return fmt.Sprint("job", names.Add(1)) }

func TestConformance(t *testing.T) {
	c := server(t)
	deduptest.Run(t, func(t *testing.T) dedup.Store {
		s, err := dynamodb.Open(t.Context(), c, tableName, name(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, &deduptest.Options{Records: 1000})
}

func open(t testing.TB, c *service.Client, job string, o *dynamodb.Options) dedup.Table {
	t.Helper()
	s, err := dynamodb.Open(t.Context(), c, tableName, job, o)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Open(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var space = dedup.Space{Name: "id", Window: 24 * time.Hour, Bucket: time.Hour}

func claims(from, to int) (c []dedup.Claim) {
	at := time.Now()
	p := &record.Partition{Source: "t", ID: "0"}
	for i := from; i < to; i++ {
		c = append(c, dedup.Claim{ID: dedup.Hash(fmt.Sprint(i)), Time: at, By: dedup.Holder{Partition: p, Position: record.Position{Sub: int64(i + 1)}}})
	}
	return c
}

// others are the claims of other records for the same IDs.
func others(c []dedup.Claim) []dedup.Claim {
	c = slices.Clone(c)
	for i := range c {
		c[i].By.Position.Sub += 1 << 40
	}
	return c
}

func all(won []bool, want bool) bool { return !slices.Contains(won, !want) }

func TestJobsAreKeptApartByName(t *testing.T) {
	c, n := server(t), name()
	for _, job := range []string{n, n + "\x02id", n[:len(n)-1]} {
		h, in := open(t, c, job, nil), claims(0, 10)
		won := make([]bool, len(in))
		if err := h.Claim(t.Context(), in, won); err != nil || !all(won, true) {
			t.Errorf("job %q: won %v, %v; want all", job, won, err)
		}
		if err := h.Claim(t.Context(), others(in), won); err != nil || !all(won, false) {
			t.Errorf("job %q: won %v, %v; want none", job, won, err)
		}
	}
}

func TestServerThatWasKilledForgotNothing(t *testing.T) {
	s := servertest.DynamoDB(t)
	c := client(s)
	if err := dynamodb.Create(t.Context(), c, tableName); err != nil {
		t.Fatal(err)
	}
	h, in := open(t, c, "job", nil), claims(0, 200)
	won := make([]bool, len(in))
	if err := h.Claim(t.Context(), in, won); err != nil || !all(won, true) {
		t.Fatalf("won all: %v, %v", all(won, true), err)
	}
	s.Process().Kill()
	if err := h.Claim(t.Context(), in[:10], won[:10]); err == nil || errors.Is(err, dedup.ErrRefused) {
		t.Errorf("without a server: %v, want an error that may pass", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Claim(t.Context(), in, won); err != nil || !all(won, true) {
		t.Errorf("a record was its own duplicate: won all: %v, %v", all(won, true), err)
	}
	if err := h.Claim(t.Context(), others(in), won); err != nil || !all(won, false) {
		t.Errorf("claims are lost: %v, %v", won, err)
	}
}

func TestClaimsThatMayHaveGoneStopTheJob(t *testing.T) {
	c, job, now := server(t), name(), time.Now()
	clock := now.Add(-47 * time.Hour)
	o := &dynamodb.Options{Now: func() time.Time { return clock }}
	h := open(t, c, job, o)
	if err := h.Claim(t.Context(), claims(0, 3), make([]bool, 3)); err != nil {
		t.Fatal(err)
	}
	clock = now
	if err := h.Expire(t.Context(), now.Add(-2*time.Hour)); !errors.Is(err, dedup.ErrForgotten) || !strings.Contains(err.Error(), "delete") {
		t.Errorf("got %v, want ErrForgotten and what to delete", err)
	}
	s, err := dynamodb.Open(t.Context(), c, tableName, job, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), space); !errors.Is(err, dedup.ErrForgotten) {
		t.Errorf("after a restart: %v, want ErrForgotten", err)
	}
	if err := h.Expire(t.Context(), now.Add(2*time.Hour)); err != nil {
		t.Errorf("the old claims are not needed any more: %v", err)
	}
	if _, err := s.Open(t.Context(), space); err != nil {
		t.Errorf("after they were let go: %v", err)
	}
}

func TestTableOfAnotherShapeIsRefused(t *testing.T) {
	c := server(t)
	if _, err := dynamodb.Open(t.Context(), c, "missing", "job", nil); !errors.Is(err, dedup.ErrRefused) {
		t.Errorf("no table: %v, want ErrRefused", err)
	}
	_, err := c.CreateTable(t.Context(), &service.CreateTableInput{
		TableName: aws.String("other"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dynamodb.Open(t.Context(), c, "other", "job", nil); !errors.Is(err, dedup.ErrRefused) {
		t.Errorf("another key: %v, want ErrRefused", err)
	}
}

func TestOptionsReportAllFaults(t *testing.T) {
	_, err := dynamodb.Open(t.Context(), nil, "t", "", &dynamodb.Options{TTL: -1, Parallel: -1})
	for _, want := range []string{"name", "TTL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
}

func TestLaneThatIsTakenAwayWaitsNoLonger(t *testing.T) {
	h := open(t, server(t), name(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Claim(ctx, claims(0, 100), make([]bool, 100)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func BenchmarkClaim(b *testing.B) {
	h := open(b, server(b), name(), nil)
	n, won := 0, make([]bool, 500)
	for b.Loop() {
		if err := h.Claim(b.Context(), claims(n, n+500), won); err != nil {
			b.Fatal(err)
		}
		n += 500
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "ids/s")
}
