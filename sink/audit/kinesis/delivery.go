package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/sink/audit"
)

// record is a line of a request.
type record struct {
	types.PutRecordsRequestEntry
	mark audit.Mark
}

func (r *record) size() int { return len(r.Data) + len(*r.PartitionKey) }

// delivery is one call of Send. Its rounds follow each other; mu guards it from the requests of a round.
type delivery struct {
	*Sender

	mu      sync.Mutex
	left    []*record // not put, as far as is known
	refused []audit.Refusal
	stopped bool // no other try does better
	why     error
}

// round puts what is left, once. So no record that a shard has no room for holds up those of later requests. The error is why
// something still is left.
func (d *delivery) round(ctx context.Context) error {
	all := d.left
	d.left, d.why = nil, nil
	var group errgroup.Group
	group.SetLimit(d.parallel)
	for _, request := range requests(all) {
		group.Go(func() error { d.put(ctx, request); return nil })
	}
	_ = group.Wait() // no function returns an error
	return d.why
}

// requests packs records. A record that is larger than streams take by default has a request of its own.
func requests(records []*record) (all [][]*record) {
	const usual = 1 << 20
	var open []*record
	bytes := 0
	for _, r := range records {
		size := r.size()
		if size > usual {
			all = append(all, []*record{r})
			continue
		}
		if len(open) == mostRecords || bytes+size > mostBytes {
			all = append(all, open)
			open, bytes = nil, 0
		}
		open, bytes = append(open, r), bytes+size
	}
	if len(open) > 0 {
		all = append(all, open)
	}
	return all
}

// put puts the records of a request, and sorts those that were not taken.
func (d *delivery) put(ctx context.Context, request []*record) {
	entries := make([]types.PutRecordsRequestEntry, len(request))
	for i, r := range request {
		entries[i] = r.PutRecordsRequestEntry
	}
	out, err := d.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &d.stream, Records: entries},
		func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }) // Send has the pauses
	if err == nil && len(out.Records) != len(request) {
		err = fmt.Errorf("%d answers to %d records", len(out.Records), len(request))
	}
	if err != nil {
		var api smithy.APIError
		if errors.As(err, &api) && slices.Contains(ofRecord, api.ErrorCode()) && len(request) > 1 && ctx.Err() == nil {
			half := len(request) / 2
			d.put(ctx, request[:half])
			d.put(ctx, request[half:])
			return
		}
		code := ""
		if api != nil {
			code = api.ErrorCode()
		}
		d.sort(request, code, err)
		return
	}
	for i := range out.Records {
		if code := aws.ToString(out.Records[i].ErrorCode); code != "" {
			d.sort(request[i:i+1], code, fmt.Errorf("%s: %s", code, aws.ToString(out.Records[i].ErrorMessage)))
		}
	}
}

// sort notes what becomes of records that were not taken. An error that is a record's is that of a single one.
func (d *delivery) sort(records []*record, code string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(ofRecord, code) && len(records) == 1 {
		d.refused = append(d.refused, audit.Refusal{Mark: records[0].mark, Err: err})
		return
	}
	d.left, d.why = append(d.left, records...), err
	d.stopped = d.stopped || slices.Contains(ofStream, code)
}

// ofRecord are errors that the record has which is put alone, or that is answered so: another try meets the same.
var ofRecord = []string{"ValidationException", "InvalidArgumentException", "SerializationException"}

// ofStream are errors that no other try does better with.
var ofStream = []string{
	"ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
	"MissingAuthenticationTokenException", "KMSAccessDeniedException", "KMSDisabledException", "KMSNotFoundException",
}
