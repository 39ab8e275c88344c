package kinesis

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/record"
)

// slow is a service whose answers take long, each record that was asked for 5 ms.
type slow struct{ *fake }

func (s slow) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, o ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	if err := retry.Sleep(ctx, time.Duration(aws.ToInt32(in.Limit))*5*time.Millisecond, nil); err != nil {
		return nil, err
	}
	return s.fake.GetRecords(ctx, in, o...)
}

// A server under load took 50 seconds for an answer of 10 MB, which was given up after 30, asked for again, and so on for ever.
func TestAnswersThatTakeTooLongAreAskedForInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		want := numbers(f, 0, 0, 3*answerRecords)
		c := Config{AWS: aws.Config{Region: "eu-central-1"}, Stream: "hits"}
		o, err := c.fill(nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := open(t.Context(), c, o, slow{f})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p := &tap{T: t, s: s, at: map[record.Partition]record.Position{}}
		b, err := s.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.lanes = b.Assigned
		if err := p.start(nil); err != nil {
			t.Fatal(err)
		}
		if err := p.poll(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		p.want(want...)
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.limits) == 0 {
			t.Fatal("no answer came in time")
		}
		first, last := f.limits[0], f.limits[len(f.limits)-1]
		if first != maxLimit/16 || last <= first {
			t.Errorf("the first answer that came was of up to %d records, the last of up to %d: want 625, and more again", first, last)
		}
	})
}
