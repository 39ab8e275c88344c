package servers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// subscriptions lets a shard have one subscription of a consumer at a time, as the service does
// (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html): within five seconds of one that
// was granted another is refused, later it takes over, and the first ends. The front's lock guards it.
type subscriptions map[subscriber]subscription

type subscriber struct{ ConsumerARN, ShardID string }

type subscription struct {
	granted time.Time
	end     context.CancelFunc
}

const (
	subscriptionKept  = 5 * time.Second
	pushEvery         = 200 * time.Millisecond
	nothingToSayEvery = time.Second
)

// begin asks for a subscription. Its context is nil if it must be refused.
func (s subscriptions) begin(ctx context.Context, who subscriber, lasts time.Duration) (context.Context, context.CancelFunc) {
	old, ok := s[who]
	if ok && time.Since(old.granted) < subscriptionKept {
		return nil, nil
	}
	if ok {
		old.end()
	}
	ctx, end := context.WithTimeout(ctx, lasts)
	s[who] = subscription{time.Now(), end}
	return ctx, end
}

// subscribe answers SubscribeToShard by reading the shard from the emulator. Its own answer begins without the message that
// the Go SDK wants first, never says that the shard has ended, and goes to any number of subscribers.
func (f *KinesisFront) subscribe(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct {
		subscriber
		StartingPosition struct {
			Type, SequenceNumber string
			Timestamp            json.Number
		}
	}
	if json.Unmarshal(body, &in) != nil {
		refuseCall(w, "InvalidArgumentException")
		return
	}
	stream, _, _ := strings.Cut(in.ConsumerARN, "/consumer/")
	ask := map[string]any{"StreamARN": stream, "ShardId": in.ShardID, "ShardIteratorType": in.StartingPosition.Type}
	if s := in.StartingPosition.SequenceNumber; s != "" {
		ask["StartingSequenceNumber"] = s
	}
	if t := in.StartingPosition.Timestamp; t != "" {
		ask["Timestamp"] = t
	}
	var it struct{ ShardIterator string }
	code, err := f.ask(r, "DescribeStreamConsumer", map[string]string{"ConsumerARN": in.ConsumerARN}, &struct{}{})
	if code == "" && err == nil {
		code, err = f.ask(r, "GetShardIterator", ask, &it)
	}
	if code != "" || err != nil {
		refuseCall(w, cmp.Or(code, "InternalFailure"))
		return
	}
	ctx, cut, end := f.granted(r.Context(), in.subscriber)
	if ctx == nil {
		refuseCall(w, "ResourceInUseException")
		return
	}
	defer end()
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	p := pusher{w: w, cut: cut}
	p.send("initial-response", struct{}{})
	f.push(r.WithContext(ctx), &p, it.ShardIterator, in.StartingPosition.SequenceNumber)
}

// granted notes a subscription, and says whether it is to be cut off.
func (f *KinesisFront) granted(ctx context.Context, who subscriber) (_ context.Context, cut bool, end context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ctx, end = f.subs.begin(ctx, who, cmp.Or(f.o.Subscription, 5*time.Minute))
	if ctx == nil {
		f.counts.InUse++
		return nil, false, nil
	}
	f.counts.Subscribed++
	const op = "SubscribeToShard"
	f.calls[op]++
	if cut = f.o.Cut > 0 && f.calls[op]%f.o.Cut == 0; cut {
		f.counts.Cut++
	}
	return ctx, cut, end
}

// push sends what comes until the subscription or the shard ends.
func (f *KinesisFront) push(r *http.Request, p *pusher, iterator, at string) {
	tick := time.NewTicker(pushEvery)
	defer tick.Stop()
	var said time.Time
	for {
		var out struct {
			NextShardIterator    string
			Records, ChildShards []json.RawMessage
			MillisBehindLatest   int64
		}
		if code, err := f.ask(r, "GetRecords", map[string]string{"ShardIterator": iterator}, &out); code != "" || err != nil {
			return // also when the subscription is over
		}
		if n := len(out.Records); n > 0 {
			var last struct{ SequenceNumber string }
			_ = json.Unmarshal(out.Records[n-1], &last)
			at = last.SequenceNumber
		}
		ended := out.NextShardIterator == ""
		if len(out.Records) > 0 || ended || time.Since(said) > nothingToSayEvery {
			said = time.Now()
			event := map[string]any{"Records": out.Records, "MillisBehindLatest": out.MillisBehindLatest}
			if ended {
				event["ChildShards"] = out.ChildShards
			} else {
				event["ContinuationSequenceNumber"] = at
			}
			p.send("SubscribeToShardEvent", event)
		}
		if ended {
			return
		}
		iterator = out.NextShardIterator
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// ask calls the emulator in the name of a request. code is the emulator's.
func (f *KinesisFront) ask(r *http.Request, op string, in, out any) (code string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, f.to, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	for _, h := range []string{"Authorization", "X-Amz-Date"} {
		req.Header.Set(h, r.Header.Get(h))
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		var failed struct {
			Type string `json:"__type"`
		}
		err = json.Unmarshal(answer, &failed)
		return failed.Type, err
	}
	return "", json.Unmarshal(answer, out)
}

// pusher writes messages of an event stream.
type pusher struct {
	w   http.ResponseWriter
	cut bool // the connection breaks in the second message
	n   int
}

func (p *pusher) send(event string, payload any) {
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("servers: %v", err)) // what we decoded can be encoded
	}
	var h eventstream.Headers
	h.Set(":message-type", eventstream.StringValue("event"))
	h.Set(":event-type", eventstream.StringValue(event))
	h.Set(":content-type", eventstream.StringValue(contentType))
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, eventstream.Message{Headers: h, Payload: body}); err != nil {
		panic(http.ErrAbortHandler)
	}
	p.n++
	cut := p.cut && p.n == 2
	if cut {
		b.Truncate(b.Len() / 2)
	}
	if _, err := p.w.Write(b.Bytes()); err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = http.NewResponseController(p.w).Flush()
	if cut {
		panic(http.ErrAbortHandler)
	}
}
