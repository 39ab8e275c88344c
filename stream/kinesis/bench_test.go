//go:build unix

package kinesis

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/kpl"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
)

// cpu is what this process has used: a busy machine does not distort it as much as the wall clock.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loads are answers of a megabyte or so, by what is in them.
var loads = []struct {
	name string
	size int  // bytes of a user record
	in   int  // user records of an aggregate; 0 is a plain record
	keys int  // different partition keys of an aggregate
	hash bool // user records have explicit hash keys
}{
	{"plain of 100 B", 100, 0, 1, false},
	{"plain of 500 B", 500, 0, 1, false},
	{"aggregates of 100 B", 100, 400, 400, false}, // 50 KB, which the Producer Library packs by default
	{"aggregates of 100 B, 20 keys", 100, 400, 20, false},
	{"aggregates of 100 B, explicit hash keys", 100, 400, 1, true},
	{"aggregates of 500 B", 500, 100, 100, false},
	{"aggregates of 500 B, 20 keys", 500, 100, 20, false},
}

// answerOf is what the service gives for a load, and how many user records are in it.
func answerOf(size, in, keys int, explicit bool) (rs []types.Record, users int) {
	for i := range (1 << 20) / (size * max(in, 1)) {
		data := bytes.Repeat([]byte{'x'}, size)
		if in > 0 {
			var us []kpl.Record
			for k := range in {
				u := kpl.Record{Key: fmt.Sprintf("session-%06d-%06d", i, k%keys), Data: data}
				if explicit {
					u.Hash = fmt.Sprintf("1%037d", k)
				}
				us = append(us, u)
			}
			data = kpl.Pack(us...)
		}
		users += max(in, 1)
		rs = append(rs, types.Record{
			Data: data, PartitionKey: aws.String(fmt.Sprintf("session-%06d", i)), SequenceNumber: aws.String(fmt.Sprintf("4954%052d", i)),
			ApproximateArrivalTimestamp: aws.Time(time.UnixMilli(1750000000000 + int64(i))),
		})
	}
	return rs, users
}

// perRecord reports the CPU time of a user record.
func perRecord(b *testing.B, users int, f func()) {
	b.ReportAllocs()
	f()
	begin := cpu()
	n := 0
	for b.Loop() {
		f()
		n += users
	}
	b.ReportMetric(float64(cpu()-begin)/float64(n), "cpu-ns/record")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkUnpack is what the source does beside the SDK, for each user record: "child" in a shard that came of a reshard
// , so that user records which belong to other shards must be looked for.
func BenchmarkUnpack(b *testing.B) {
	for _, l := range loads {
		in, users := answerOf(l.size, l.in, l.keys, l.hash)
		for _, child := range []bool{false, true} {
			if l.in == 0 && child {
				continue // plain records are where they belong
			}
			b.Run(fmt.Sprintf("%s/child=%v", l.name, child), func(b *testing.B) {
				u, _ := unpackAll(0, 0)
				u.filter, u.keys = child, service.Range{To: service.Hash{Hi: 1<<64 - 1, Lo: 1<<64 - 2}} // nothing is left out
				perRecord(b, users, func() {
					ds, _, _, err := u.unpack(in, &plan{phase: following}, []*delivery{newDelivery(s0, false)})
					if err != nil {
						b.Fatal(err)
					}
					for _, d := range ds {
						d.Release()
					}
				})
			})
		}
	}
}

// BenchmarkTrailer is the MD5 over an aggregate that the format ends with, the part of BenchmarkUnpack that is not ours.
func BenchmarkTrailer(b *testing.B) {
	for _, l := range loads {
		if l.in == 0 {
			continue
		}
		in, users := answerOf(l.size, l.in, l.keys, l.hash)
		b.Run(l.name, func(b *testing.B) {
			perRecord(b, users, func() {
				for i := range in {
					if md5.Sum(in[i].Data) == [md5.Size]byte{} {
						b.Fatal("no sum")
					}
				}
			})
		})
	}
}

// canned is a service that always gives the same answer.
type canned []byte

func (c canned) Do(*http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {contentType}}
	return &http.Response{StatusCode: http.StatusOK, Header: h, ContentLength: int64(len(c)), Body: io.NopCloser(bytes.NewReader(c))}, nil
}

const contentType = "application/x-amz-json-1.1"

func (c canned) client() *kinesis.Client {
	return kinesis.New(kinesis.Options{Region: "us-east-1", HTTPClient: c, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
}

// pushed is an answer as fan-out brings it.
func pushed(b *testing.B, answer []byte) canned {
	var all bytes.Buffer
	for _, m := range []struct{ event, body string }{{"initial-response", "{}"}, {"SubscribeToShardEvent", string(answer)}} {
		var h eventstream.Headers
		h.Set(":message-type", eventstream.StringValue("event"))
		h.Set(":event-type", eventstream.StringValue(m.event))
		h.Set(":content-type", eventstream.StringValue(contentType))
		if err := eventstream.NewEncoder().Encode(&all, eventstream.Message{Headers: h, Payload: []byte(m.body)}); err != nil {
			b.Fatal(err)
		}
	}
	return all.Bytes()
}

// BenchmarkSDK is what the SDK does for the same answers, without a network.
func BenchmarkSDK(b *testing.B) {
	type record struct {
		ApproximateArrivalTimestamp  float64
		Data                         []byte
		PartitionKey, SequenceNumber string
	}
	for _, l := range loads {
		rs, users := answerOf(l.size, l.in, l.keys, l.hash)
		var a struct {
			MillisBehindLatest                            int
			NextShardIterator, ContinuationSequenceNumber string
			Records                                       []record
		}
		for i := range rs {
			a.Records = append(a.Records, record{1750000000.25, rs[i].Data, *rs[i].PartitionKey, *rs[i].SequenceNumber})
		}
		body, err := json.Marshal(a)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(l.name+"/polled", func(b *testing.B) {
			c := canned(body).client()
			perRecord(b, users, func() {
				out, err := c.GetRecords(b.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
				if err != nil || len(out.Records) != len(rs) {
					b.Fatal(err)
				}
			})
		})
		b.Run(l.name+"/pushed", func(b *testing.B) {
			c := pushed(b, body).client()
			perRecord(b, users, func() {
				out, err := c.SubscribeToShard(b.Context(), &kinesis.SubscribeToShardInput{
					ConsumerARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/hits/consumer/job:1"), ShardId: aws.String(s0), StartingPosition: origin{}.starting(),
				})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for e := range out.GetStream().Events() {
					n += len(e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value.Records)
				}
				if n != len(rs) {
					b.Fatalf("%d of %d records: %v", n, len(rs), out.GetStream().Err())
				}
			})
		})
	}
}
