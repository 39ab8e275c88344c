package kinesis

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

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

// Send puts lines. Records that are refused, since a shard has too much to do or the service has failed, are put again after a
// pause, without the others of their request, until the stream has all of them, ctx ends, or an error is final.
func (s *Sender) Send(ctx context.Context, lines []audit.Line) error {
	var group errgroup.Group // a request that is refused for good ends no other one
	group.SetLimit(s.parallel)
	for _, request := range requests(lines) {
		group.Go(func() error { return s.put(ctx, request) })
	}
	return group.Wait()
}

// requests packs records. A record that is larger than streams take by default has a request of its own, so that it costs no
// other one if it is refused.
func requests(lines []audit.Line) (all [][]types.PutRecordsRequestEntry) {
	const usual = 1 << 20
	var open []types.PutRecordsRequestEntry
	bytes := 0
	for i := range lines {
		e := entry(&lines[i])
		size := len(e.Data) + len(*e.PartitionKey)
		if size > usual {
			all = append(all, []types.PutRecordsRequestEntry{e})
			continue
		}
		if len(open) == mostRecords || bytes+size > mostBytes {
			all = append(all, open)
			open, bytes = nil, 0
		}
		open, bytes = append(open, e), bytes+size
	}
	if len(open) > 0 {
		all = append(all, open)
	}
	return all
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

// put puts the records of a request until all are in the stream.
func (s *Sender) put(ctx context.Context, left []types.PutRecordsRequestEntry) error {
	all := len(left)
	for failures := 0; ; {
		before := len(left)
		var err error
		if left, err = s.once(ctx, left); err == nil {
			return nil
		}
		if failures++; len(left) < before {
			failures = 1
		}
		if final(err) || ctx.Err() != nil || retry.Wait(ctx, retry.Pause(100*time.Millisecond, 10*time.Second, failures)) != nil {
			return fmt.Errorf("kinesis: %d of %d records may not be in stream %s: %w", len(left), all, s.stream, err)
		}
	}
}

// once puts records, and returns those that were not taken. Without an answer these are all.
func (s *Sender) once(ctx context.Context, records []types.PutRecordsRequestEntry) (left []types.PutRecordsRequestEntry, err error) {
	out, err := s.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s.stream, Records: records},
		func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }) // put has the pauses
	if err != nil {
		return records, classify(err)
	}
	if len(out.Records) != len(records) {
		return records, fmt.Errorf("%d answers to %d records", len(out.Records), len(records))
	}
	for i := range out.Records {
		if code := aws.ToString(out.Records[i].ErrorCode); code != "" {
			left = append(left, records[i])
			err = fmt.Errorf("%s: %s", code, aws.ToString(out.Records[i].ErrorMessage))
		}
	}
	return left, err
}

// hopeless are errors that trying again does not mend.
var hopeless = []string{
	"ResourceNotFoundException", "AccessDeniedException", "ValidationException", "InvalidArgumentException", "UnrecognizedClientException",
	"InvalidSignatureException", "MissingAuthenticationTokenException", "KMSAccessDeniedException", "KMSDisabledException", "KMSNotFoundException",
}

func classify(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && slices.Contains(hopeless, api.ErrorCode()) {
		return fmt.Errorf("%w (%w)", err, fs.ErrInvalid)
	}
	return err
}

func final(err error) bool { return errors.Is(err, fs.ErrInvalid) }
