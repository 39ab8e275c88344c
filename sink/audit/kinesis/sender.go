package kinesis

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/audit"
)

// What a request may have: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html.
const (
	mostRecords = 500
	mostBytes   = 5 << 20
	mostKey     = 256
)

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Parallel is how many requests of one Send are under way at once.
	//
	// Defaults to 4.
	Parallel int
}

// Sender is an audit.Sender. It is safe for concurrent use.
type Sender struct {
	client   *kinesis.Client
	stream   string
	parallel int
}

// New makes a Sender to a stream.
func New(client *kinesis.Client, stream string, opts *Options) (*Sender, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if client == nil || stream == "" || o.Parallel < 0 {
		return nil, fmt.Errorf("kinesis: a client and a stream are required, and Parallel %d must not be negative", o.Parallel)
	}
	return &Sender{client, stream, cmp.Or(o.Parallel, 4)}, nil
}

// Send puts lines. Records that are not taken, since a shard has too much to do or the service has failed, are put again after a
// pause, without the others of their request, until the stream has all of them, ctx ends, or an error is final. The service refuses
// a request as a whole if it does not take one of its records. So its records are put in halves until each that is refused is
// alone: a *audit.RefusedError names those.
func (s *Sender) Send(ctx context.Context, lines []audit.Line) error {
	d := delivery{Sender: s}
	for i := range lines {
		d.left = append(d.left, &record{entry(&lines[i]), lines[i].Mark})
	}
	var err error
	for failures := 0; len(d.left) > 0; {
		before := len(d.left)
		err = d.round(ctx)
		if failures++; len(d.left) < before {
			failures = 1
		}
		if d.stopped || len(d.left) > 0 && retry.Wait(ctx, retry.Pause(100*time.Millisecond, 10*time.Second, failures)) != nil {
			break
		}
	}
	var all []error
	if len(d.refused) > 0 {
		all = append(all, fmt.Errorf("kinesis: stream %s: %w", s.stream, &audit.RefusedError{Lines: d.refused}))
	}
	if len(d.left) > 0 {
		all = append(all, fmt.Errorf("kinesis: %d of %d records may not be in stream %s: %w", len(d.left), len(lines), s.stream, err))
	}
	return errors.Join(all...)
}

// entry makes the record of a line.
func entry(l *audit.Line) types.PutRecordsRequestEntry {
	var key string
	switch k := l.Event.Key; {
	case k == nil:
		key = fmt.Sprint(l.Mark.ID, "-", l.Mark.Line)
	case len(k) == 0 || !utf8.Valid(k) || utf8.RuneCount(k) > mostKey: // the service takes no such key
		sum := sha256.Sum256(k)
		key = hex.EncodeToString(sum[:])
	default:
		key = string(k)
	}
	data := l.Mark.AppendPrefix(make([]byte, 0, 48+len(l.Event.Value)))
	return types.PutRecordsRequestEntry{Data: append(data, l.Event.Value...), PartitionKey: &key}
}
