package dynamodb_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/audittest"
	"github.com/onceflow/onceflow/sink/audit/dynamodb"
)

var servers servertest.Shared

func TestMain(m *testing.M) { servers.Main(m) }

var tables atomic.Int64

// table makes one on the server.
func table(t *testing.T) (*service.Client, string) {
	t.Helper()
	c := service.New(service.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(servers.DynamoDB(t).Endpoint()), RetryMaxAttempts: 2,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	name := fmt.Sprint("audit", tables.Add(1))
	if err := dynamodb.Create(t.Context(), c, name); err != nil {
		t.Fatal(err)
	}
	return c, name
}

func open(t *testing.T, c *service.Client, table, name string, o *dynamodb.Options) *dynamodb.Registry {
	t.Helper()
	g, err := dynamodb.Open(t.Context(), c, table, name, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The registries share a table, as sources do. The suite's batches are of 2025: with the default Keep the server deletes them.
func TestConformance(t *testing.T) {
	c, name := table(t)
	sources := 0
	audittest.Run(t, func(t *testing.T) func() audit.Registry {
		sources++
		source := fmt.Sprint("clicks", sources)
		return func() audit.Registry {
			return open(t, c, name, source, &dynamodb.Options{Keep: 100 * 365 * 24 * time.Hour})
		}
	})
}

// An item without a time to live stays for ever, one whose time is not after Options.Keep is missed by an audit.
func TestItemsLiveForAsLongAsTheyAreAudited(t *testing.T) {
	c, name := table(t)
	r := audit.Registration{ID: audit.NewID(time.Now()), Lines: 1, Oldest: time.Now()}
	for source, o := range map[string]*dynamodb.Options{"week": {Keep: 7 * 24 * time.Hour}, "ever": {Keep: -1}} {
		g := open(t, c, name, source, o)
		if err := g.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want := ""
		if o.Keep > 0 {
			want = strconv.FormatInt(r.ID.Time().Add(o.Keep).Unix(), 10)
		}
		out, err := c.Query(t.Context(), &service.QueryInput{
			TableName: &name, KeyConditionExpression: aws.String("#h = :h"), ExpressionAttributeNames: map[string]string{"#h": "hour"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":h": &types.AttributeValueMemberS{Value: source + "/" + r.ID.Time().Format("2006-01-02T15")}},
		})
		if err != nil || len(out.Items) != 1 {
			t.Fatal(out, err)
		}
		got := ""
		if n, ok := out.Items[0]["expires"].(*types.AttributeValueMemberN); ok {
			got = n.Value
		}
		if got != want {
			t.Errorf("Keep %s: the item expires at %q, want %q", o.Keep, got, want)
		}
		if err := g.Expire(t.Context(), time.Now()); errors.Is(err, errors.ErrUnsupported) != (o.Keep < 0) {
			t.Errorf("Keep %s: Expire says %v", o.Keep, err)
		}
	}
	ttl, err := c.DescribeTimeToLive(t.Context(), &service.DescribeTimeToLiveInput{TableName: &name})
	if err != nil || ttl.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled {
		t.Errorf("the table's time to live: %+v, %v", ttl.TimeToLiveDescription, err)
	}
}

// The service deletes what has expired; what is left is listed.
func TestTheServiceDeletesWhatHasExpired(t *testing.T) {
	c, name := table(t)
	g := open(t, c, name, "clicks", &dynamodb.Options{Keep: time.Hour})
	now := time.Now().UTC().Truncate(time.Millisecond)
	old := audit.Registration{ID: audit.NewID(now.Add(-3 * time.Hour)), Lines: 1, Oldest: now}
	kept := audit.Registration{ID: audit.NewID(now), Lines: 2, Oldest: now}
	for _, r := range []audit.Registration{old, kept} {
		if err := g.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C { // DynamoDB Local takes some 12 seconds; the test's deadline bounds it
		var all []audit.Registration
		for r, err := range g.List(t.Context(), now.Add(-4*time.Hour), now.Add(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		if len(all) == 1 && all[0].Compare(&kept) == 0 {
			return
		}
		if len(all) != 2 {
			t.Fatalf("listed %v", all)
		}
	}
}

// What trying again does not mend is said at once, and a Batcher does not try for Patience.
func TestMistakesAreFinal(t *testing.T) {
	c, name := table(t)
	g := open(t, c, name, "clicks", nil)
	if err := g.Register(t.Context(), audit.Registration{ID: audit.NewID(time.Now())}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a batch without lines: %v", err)
	}
	if _, err := dynamodb.Open(t.Context(), c, "missing", "clicks", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a table that is missing: %v", err)
	}
	if _, err := c.DeleteTable(t.Context(), &service.DeleteTableInput{TableName: &name}); err != nil {
		t.Fatal(err)
	}
	err := g.Register(t.Context(), audit.Registration{ID: audit.NewID(time.Now()), Lines: 1, Oldest: time.Now()})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a table that was deleted: %v", err)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	if _, err := dynamodb.Open(t.Context(), nil, "t", "n", nil); err == nil {
		t.Error("no client")
	}
	if err := dynamodb.Create(t.Context(), nil, "t"); err == nil {
		t.Error("no client to create with")
	}
	c := service.New(service.Options{})
	if _, err := dynamodb.Open(t.Context(), c, "t", "", nil); err == nil {
		t.Error("no name")
	}
	if _, err := dynamodb.Open(t.Context(), c, "t", "n", &dynamodb.Options{Keep: -2}); err == nil {
		t.Error("Keep is negative")
	}
}
