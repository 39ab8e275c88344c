package lease

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// shared is one server for all tests here.
var shared *servers.DynamoDB

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	os.Exit(code)
}

func client(t *testing.T, transport http.RoundTripper) *dynamodb.Client {
	t.Helper()
	c := servertest.Need(t)
	if shared == nil {
		var err error
		if shared, err = servers.StartDynamoDB(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	o := dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(shared.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}
	if transport != nil {
		o.HTTPClient = &http.Client{Transport: transport}
	}
	return dynamodb.New(o)
}

var groups atomic.Int64

func open(t *testing.T, transport http.RoundTripper) Table {
	t.Helper()
	table, err := OpenTable(t.Context(), client(t, transport), "leases", fmt.Sprint("group", groups.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// tables are all kinds, so that the one in memory is no easier than the real one.
func tables(t *testing.T, f func(*testing.T, Table)) {
	t.Run("memory", func(t *testing.T) { f(t, newMemory()) })
	t.Run("dynamodb", func(t *testing.T) { f(t, open(t, nil)) })
}

func TestSwapIsMadeOnlyOnTheCounterThatWasRead(t *testing.T) {
	tables(t, func(t *testing.T, table Table) {
		ctx := t.Context()
		one, two := Item{"lease/a", 1, "x", ""}, Item{"lease/a", 2, "y", "z"}
		for i, step := range []struct {
			old  uint64
			item Item
			want error
		}{
			{3, one, ErrConflict}, // none is there
			{0, one, nil},
			{0, one, nil}, // again: the reply was lost
			{0, Item{"lease/a", 1, "other", ""}, ErrConflict},
			{2, two, ErrConflict},
			{1, two, nil},
			{1, two, nil},
			{1, Item{"lease/a", 2, "y", "w"}, ErrConflict},
			{0, Item{"lease/b", 1, "", ""}, nil},
		} {
			if err := table.Swap(ctx, step.old, step.item); !errors.Is(err, step.want) || (step.want == nil && err != nil) {
				t.Errorf("step %d: %v, want %v", i, err, step.want)
			}
		}
		if err := table.Delete(ctx, "lease/a", 1); !errors.Is(err, ErrConflict) {
			t.Errorf("delete of another counter: %v", err)
		}
		list := func(want ...Item) {
			t.Helper()
			if got, err := table.List(ctx); err != nil || !slices.Equal(got, want) {
				t.Errorf("list: %v, %v; want %v", got, err, want)
			}
		}
		list(two, Item{"lease/b", 1, "", ""})
		for range 2 {
			if err := table.Delete(ctx, "lease/a", 2); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
		list(Item{"lease/b", 1, "", ""})
	})
}

func TestOneOfManySwapsIsMade(t *testing.T) {
	tables(t, func(t *testing.T, table Table) {
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				err := table.Swap(t.Context(), 0, Item{"lease/a", 1, fmt.Sprint(i), ""})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, ErrConflict) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d were made", won.Load())
		}
	})
}

func TestListGivesAllPages(t *testing.T) {
	table := open(t, nil)
	var want []Item
	for i := range 6 {
		it := Item{fmt.Sprint("lease/", i), 1, strings.Repeat("x", 300_000), ""} // a page has 1 MiB
		if err := table.Swap(t.Context(), 0, it); err != nil {
			t.Fatal(err)
		}
		want = append(want, it)
	}
	if got, err := table.List(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d items, %v; want %d", len(got), err, len(want))
	}
}

func TestGroupsAreKeptApart(t *testing.T) {
	a, b := open(t, nil), open(t, nil)
	if err := a.Swap(t.Context(), 0, Item{"lease/a", 1, "x", ""}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.List(t.Context()); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTheTableIsMadeOnceByWhoeverIsFirst(t *testing.T) {
	c := client(t, nil)
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			table, err := OpenTable(t.Context(), c, "made-on-demand", "g")
			if err == nil {
				err = table.Swap(t.Context(), 0, Item{fmt.Sprint("lease/", i), 1, "", ""})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestATableForSomethingElseIsRefused(t *testing.T) {
	c := client(t, nil)
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("other"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("k"), AttributeType: types.ScalarAttributeTypeB}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"other", "", "no such name!"} {
		if _, err := OpenTable(t.Context(), c, name, "g"); !errors.Is(err, ErrRefused) {
			t.Errorf("table %q: %v", name, err)
		}
	}
}

// deaf loses the answers to every second write, once the server has done it, so that the client asks again.
type deaf struct {
	n    atomic.Int64
	lost atomic.Int64
}

func (d *deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "Item") || d.n.Add(1)%2 == 0 {
		return resp, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	d.lost.Add(1)
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{}, Request: r}, nil
}

func TestAWriteThatTheClientSentTwiceCountsOnce(t *testing.T) {
	d := &deaf{}
	table := open(t, d)
	for i := range uint64(3) {
		if err := table.Swap(t.Context(), i, Item{"lease/a", i + 1, "me", ""}); err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if err := table.Delete(t.Context(), "lease/a", 3); err != nil {
		t.Errorf("delete: %v", err)
	}
	if d.lost.Load() < 3 {
		t.Errorf("%d replies were lost", d.lost.Load())
	}
}

// Members on the real table: all lanes come to the one that is left, without a moment with two readers.
func TestMembersShareAndInheritOnDynamoDB(t *testing.T) {
	j := newJob(t, open(t, nil), 7)
	j.opts = Options{Lease: 5 * time.Second}
	a, b, c := j.join(), j.join(), j.join()
	even := func() bool {
		return j.pending(a) >= 2 && j.pending(b) >= 2 && j.pending(c) >= 2 && j.pending(a)+j.pending(b)+j.pending(c) == 7
	}
	j.await(even, "an even share")
	a.leave()
	j.await(func() bool { return j.pending(b)+j.pending(c) == 7 }, "the lanes of one that left")
	b.kill()
	j.await(func() bool { return j.pending(c) == 7 }, "the lanes of one that died")
	if n := j.twiceRead(); n > 0 {
		t.Errorf("%d times a lane had two readers", n)
	}
	c.leave()
}

// await waits for a change of who reads what until ok.
func (j *job) await(ok func() bool, what string) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-j.news:
		case <-ctx.Done():
			j.t.Fatalf("waited in vain for %s", what)
		}
	}
}
