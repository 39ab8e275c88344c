package kinesis_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/kinesis"
)

func lines(n int, key func(i int) []byte) (all []audit.Line) {
	id := audit.NewID(time.Now())
	for i := range n {
		all = append(all, audit.Line{Mark: audit.Mark{ID: id, Line: i + 1}, Event: audit.Event{Key: key(i), Value: fmt.Append(nil, "value ", i)}})
	}
	return all
}

func keyed(i int) []byte { return fmt.Append(nil, "key", i%100) }

// entry is a record of a request, or its answer.
type entry map[string]any

// busy is a service before the service: it refuses requests, and records of them, as a test says, and passes on the others.
type busy struct {
	refuse  func(request int) (code string)
	refuses func(request int, e entry) (code string)
	poison  func(e entry) (code string)                 // refuses the request that has it
	next    func(*http.Request) (*http.Response, error) // nil: all that comes is taken

	mu       sync.Mutex
	requests int
	records  []int // of each request
	taken    []string
}

func answer(status int, body any) *http.Response {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}
}

func (b *busy) Do(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutRecords") {
		return b.next(r)
	}
	var in struct {
		StreamName string
		Records    []entry
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.requests++
	request := b.requests
	b.records = append(b.records, len(in.Records))
	b.mu.Unlock()
	if b.refuse != nil {
		if code := b.refuse(request); code != "" {
			return answer(http.StatusBadRequest, entry{"__type": code, "message": "by the test"}), nil
		}
	}
	if b.poison != nil {
		for _, e := range in.Records {
			if code := b.poison(e); code != "" {
				return answer(http.StatusBadRequest, entry{"__type": code, "message": "by the test"}), nil
			}
		}
	}
	out, taken := make([]entry, len(in.Records)), []entry{}
	var at []int
	for i, e := range in.Records {
		out[i] = entry{"ShardId": "shardId-000000000000", "SequenceNumber": "1"}
		if b.refuses != nil {
			if code := b.refuses(request, e); code != "" {
				out[i] = entry{"ErrorCode": code, "ErrorMessage": "by the test"}
				continue
			}
		}
		taken, at = append(taken, e), append(at, i)
	}
	b.mu.Lock()
	for _, e := range taken {
		b.taken = append(b.taken, e["Data"].(string))
	}
	b.mu.Unlock()
	if b.next == nil || len(taken) == 0 {
		return answer(http.StatusOK, entry{"FailedRecordCount": len(out) - len(taken), "Records": out}), nil
	}
	body, err := json.Marshal(entry{"StreamName": in.StreamName, "Records": taken})
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := b.next(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	var did struct{ Records []entry }
	if err := json.NewDecoder(resp.Body).Decode(&did); err != nil {
		return nil, err
	}
	for i := range did.Records {
		out[at[i]] = did.Records[i]
	}
	return answer(http.StatusOK, entry{"FailedRecordCount": len(out) - len(taken), "Records": out}), nil
}

func client(endpoint string, by *busy) *service.Client {
	o := service.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")}
	if by != nil {
		o.HTTPClient = by
	}
	return service.New(o)
}

func sender(t *testing.T, c *service.Client) *kinesis.Sender {
	t.Helper()
	s, err := kinesis.New(c, "clicks", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A request has at most 500 records and 5 MiB, and what the shards had no room for is put again, alone.
func TestOnlyWhatWasRefusedIsPutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]int{}
		b := &busy{refuses: func(_ int, e entry) string {
			key := fmt.Sprint(e["Data"])
			if seen[key]++; seen[key] < 3 && strings.HasSuffix(e["PartitionKey"].(string), "7") {
				return "ProvisionedThroughputExceededException"
			}
			return ""
		}}
		s, err := kinesis.New(client("http://none", b), "clicks", &kinesis.Options{Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := s.Send(t.Context(), lines(1100, keyed)); err != nil {
			t.Fatal(err)
		}
		want := []int{500, 500, 100, 110, 110}
		if len(b.taken) != 1100 || fmt.Sprint(b.records) != fmt.Sprint(want) || time.Since(begun) < 100*time.Millisecond {
			t.Errorf("%d records were taken of requests of %v in %s, want %v with pauses", len(b.taken), b.records, time.Since(begun), want)
		}
	})
}

func TestRequestsAreNotLargerThanTheServiceTakes(t *testing.T) {
	b := &busy{}
	all := lines(12, keyed)
	for i := range all {
		all[i].Event.Value = make([]byte, 900<<10)
	}
	all[3].Event.Value = make([]byte, 2<<20) // alone
	s, err := kinesis.New(client("http://none", b), "clicks", &kinesis.Options{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), all); err != nil || fmt.Sprint(b.records) != "[1 5 5 1]" {
		t.Errorf("requests of %v records, error %v", b.records, err)
	}
}

// A service that refuses every request is tried until the context ends; what no try can mend is told at once.
func TestAServiceThatIsAwayIsWaitedForAndARefusalIsNot(t *testing.T) {
	for code, waits := range map[string]bool{"ProvisionedThroughputExceededException": true, "InternalFailure": true, "ResourceNotFoundException": false} {
		synctest.Test(t, func(t *testing.T) {
			b := &busy{refuse: func(int) string { return code }}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			err := sender(t, client("http://none", b)).Send(ctx, lines(1, keyed))
			if waited := time.Since(begun) > 50*time.Second; err == nil || waited != waits || refused(err) != nil || b.requests > 20 {
				t.Errorf("%s: after %s and %d requests: %v", code, time.Since(begun), b.requests, err)
			}
		})
	}
}

// refused returns the numbers of the lines that an error names.
func refused(err error) (numbers []int) {
	var r *audit.RefusedError
	if errors.As(err, &r) {
		for _, l := range r.Lines {
			numbers = append(numbers, l.Mark.Line)
		}
	}
	slices.Sort(numbers)
	return numbers
}

func valueOf(e entry) string {
	data, err := base64.StdEncoding.DecodeString(e["Data"].(string))
	if err != nil {
		panic(err)
	}
	_, value, _ := audit.CutPrefix(data)
	return string(value)
}

// The service refuses a request for one of its records, or answers that one of them is refused. Of 500 lines beside one that it did not
// take none arrived, and a record that was refused alone was put again for ever.
func TestALineThatIsRefusedCostsNoOther(t *testing.T) {
	for _, code := range []string{"ValidationException", "InvalidArgumentException"} {
		bad := func(e entry) string {
			if v := valueOf(e); v == "value 3" || v == "value 700" {
				return code
			}
			return ""
		}
		for name, b := range map[string]*busy{"request": {poison: bad}, "record": {refuses: func(_ int, e entry) string { return bad(e) }}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err := sender(t, client("http://none", b)).Send(ctx, lines(1200, keyed))
			cancel()
			if got := refused(err); !errors.Is(err, fs.ErrInvalid) || !slices.Equal(got, []int{4, 701}) {
				t.Errorf("%s of a %s: lines %v are refused, error %v", code, name, got, err)
			}
			if len(b.taken) != 1198 || b.requests > 50 {
				t.Errorf("%s of a %s: %d lines were put by %d requests, want 1198 by a few", code, name, len(b.taken), b.requests)
			}
		}
	}
}

// A record that its shard has no room for kept one of the places for requests until the context ended, so that four of them kept
// later requests from being put at all.
func TestARecordThatIsNotTakenHoldsUpNoOtherRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{refuses: func(_ int, e entry) string {
			if strings.HasSuffix(valueOf(e), "77") {
				return "ProvisionedThroughputExceededException"
			}
			return ""
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := sender(t, client("http://none", b)).Send(ctx, lines(5000, keyed)); err == nil || refused(err) != nil {
			t.Errorf("got %v", err)
		}
		if len(b.taken) != 4950 {
			t.Errorf("%d lines were put, want all but the 50 that their shard has no room for", len(b.taken))
		}
	})
}

func TestPartitionKeysAreThoseThatTheServiceTakes(t *testing.T) {
	var keys []string
	b := &busy{refuses: func(_ int, e entry) string {
		keys = append(keys, e["PartitionKey"].(string))
		return ""
	}}
	of := [][]byte{nil, {}, []byte("user 7"), {0xff, 0xfe}, bytes.Repeat([]byte("ä"), 256), bytes.Repeat([]byte("x"), 257)}
	all := lines(len(of), func(i int) []byte { return of[i] })
	for range 2 {
		if err := sender(t, client("http://none", b)).Send(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(of); len(keys) != 2*n || fmt.Sprint(keys[:n]) != fmt.Sprint(keys[n:]) || keys[0] != all[0].Mark.ID.String()+"-1" || keys[2] != "user 7" || keys[4] != string(of[4]) {
		t.Errorf("keys are %q", keys)
	}
	for i, k := range keys {
		if len([]rune(k)) < 1 || len([]rune(k)) > 256 {
			t.Errorf("key %d is %q", i, k)
		}
	}
}

func TestASenderNeedsAClientAndAStream(t *testing.T) {
	if _, err := kinesis.New(nil, "clicks", nil); err == nil {
		t.Error("no client")
	}
	if _, err := kinesis.New(client("http://none", nil), "", nil); err == nil {
		t.Error("no stream")
	}
	if _, err := kinesis.New(client("http://none", nil), "clicks", &kinesis.Options{Parallel: -1}); err == nil {
		t.Error("Parallel is negative")
	}
}

// An emulator with three shards behind a service that throttles requests and refuses a third of the records has all lines once, and
// what is put again goes to the shard of the first time.
func TestLinesAreInAStreamAsTheyWereSent(t *testing.T) {
	k := servertest.KinesisLocal(t)
	direct := client(k.Endpoint(), nil)
	if _, err := direct.CreateStream(t.Context(), &service.CreateStreamInput{StreamName: aws.String("clicks"), ShardCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	w := service.NewStreamExistsWaiter(direct, func(o *service.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := w.Wait(t.Context(), &service.DescribeStreamInput{StreamName: aws.String("clicks")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	b := &busy{
		next: http.DefaultClient.Do,
		refuse: func(request int) string {
			if request%3 == 1 {
				return "ProvisionedThroughputExceededException"
			}
			return ""
		},
		refuses: func(int, entry) string {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%3 == 0 {
				return "ProvisionedThroughputExceededException"
			}
			return ""
		},
	}
	all := append(lines(600, keyed), lines(100, func(int) []byte { return nil })...)
	s := sender(t, client(k.Endpoint(), b))
	for range 2 {
		if err := s.Send(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	shards := map[audit.Mark][]string{}
	for shard, records := range read(t, direct) {
		for _, r := range records {
			m, value, ok := audit.CutPrefix(r.Data)
			if !ok || !strings.HasPrefix(string(value), "value ") {
				t.Fatalf("a record is %q", r.Data)
			}
			shards[m] = append(shards[m], shard)
		}
	}
	used := map[string]bool{}
	for _, l := range all {
		on := shards[l.Mark]
		if len(on) != 2 || on[0] != on[1] {
			t.Fatalf("line %v is in shards %v", l.Mark, on)
		}
		used[on[0]] = true
	}
	if len(used) != 3 {
		t.Errorf("all lines are in %v", used)
	}
}

// read reads a stream from its beginning.
func read(t *testing.T, c *service.Client) map[string][]types.Record {
	t.Helper()
	all := map[string][]types.Record{}
	shards, err := c.ListShards(t.Context(), &service.ListShardsInput{StreamName: aws.String("clicks")})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards.Shards {
		it, err := c.GetShardIterator(t.Context(), &service.GetShardIteratorInput{
			StreamName: aws.String("clicks"), ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		for next := it.ShardIterator; next != nil; {
			out, err := c.GetRecords(t.Context(), &service.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			all[*s.ShardId] = append(all[*s.ShardId], out.Records...)
			if next = out.NextShardIterator; len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
				break
			}
		}
	}
	return all
}
