package servers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// KinesisFront is a proxy in front of a Kinesis emulator. It answers SubscribeToShard by itself, and it limits and spoils
// calls as the service and its network do. Its methods are safe for concurrent use.
type KinesisFront struct {
	server http.Server
	port   int
	to     string // URL of the emulator

	mu     sync.Mutex
	subs   subscriptions
	o      KinesisFaults
	reads  map[string][]time.Time // in the last second, by shard
	made   map[string]iterator    // by iterator
	expiry time.Time              // iterators made before it have expired
	calls  map[string]int         // by operation, to count for Cut
	counts KinesisCounts
}

// KinesisFaults are what a front does; the zero value is nothing.
type KinesisFaults struct {
	// ReadsPerSecond is how many GetRecords of one shard are answered in any second; the rest are told
	// ProvisionedThroughputExceededException. The service allows 5 for all readers together. 0 is no limit.
	ReadsPerSecond int

	// Cut is that of every so many answers to an operation one is cut off in the middle, after the emulator has done
	// what was asked. 0 is none.
	Cut int

	// Subscription is how long those last that begin from now on. 0 is the service's five minutes.
	Subscription time.Duration

	// Throttle refuses every call with LimitExceededException, as the service does if there are too many.
	Throttle bool
}

// KinesisCounts is what was done so far.
type KinesisCounts struct{ Throttled, Expired, Cut, Subscribed, InUse int }

type iterator struct {
	shard string // with the stream
	at    time.Time
}

// Front starts a proxy without faults.
func (k *Kinesis) Front(ctx context.Context, c *Cache) (*KinesisFront, error) {
	l, port, to, err := c.front(ctx, k.Endpoint())
	if err != nil {
		return nil, err
	}
	f := &KinesisFront{
		port: port, to: k.Endpoint(), reads: map[string][]time.Time{}, made: map[string]iterator{}, calls: map[string]int{},
		subs: subscriptions{},
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Accept-Encoding") // answers are read here
		},
		ModifyResponse: f.answer,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		switch code := f.refuse(operation(r), body); {
		case code != "":
			refuseCall(w, code)
		case operation(r) == "SubscribeToShard":
			f.subscribe(w, r, body)
		default:
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), bodyKey{}, body)))
		}
	})
	go func() { _ = f.server.Serve(l) }()
	return f, nil
}

func refuseCall(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "the front says so"})
}

const contentType = "application/x-amz-json-1.1"

// bodyKey finds the body of a request when its answer comes.
type bodyKey struct{}

func operation(r *http.Request) string {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return op
}

// Set changes what the front does.
func (f *KinesisFront) Set(o KinesisFaults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o = o
}

// ExpireIterators lets all iterators that were made so far be too old.
func (f *KinesisFront) ExpireIterators() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expiry = time.Now()
}

// Counts is what was done so far.
func (f *KinesisFront) Counts() KinesisCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// Endpoint is the front's URL.
func (f *KinesisFront) Endpoint() string { return "http://" + addr(f.port) }

// Port is the front's port on loopback.
func (f *KinesisFront) Port() int { return f.port }

// Stop ends the front.
func (f *KinesisFront) Stop() { _ = f.server.Close() }

// refuse says with which error a call is refused, if it is.
func (f *KinesisFront) refuse(op string, body []byte) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.o.Throttle {
		f.counts.Throttled++
		if op == "GetRecords" {
			return "ProvisionedThroughputExceededException"
		}
		return "LimitExceededException"
	}
	if op != "GetRecords" {
		return ""
	}
	var in struct{ ShardIterator string }
	it, ok := iterator{}, false
	if json.Unmarshal(body, &in) == nil {
		it, ok = f.made[in.ShardIterator]
	}
	if !ok {
		return "" // the emulator may know it
	}
	if !it.at.After(f.expiry) {
		f.counts.Expired++
		return "ExpiredIteratorException"
	}
	now := time.Now()
	reads := f.reads[it.shard]
	for len(reads) > 0 && now.Sub(reads[0]) >= time.Second {
		reads = reads[1:]
	}
	f.reads[it.shard] = reads
	if f.o.ReadsPerSecond > 0 && len(reads) >= f.o.ReadsPerSecond {
		f.counts.Throttled++
		return "ProvisionedThroughputExceededException"
	}
	f.reads[it.shard] = append(reads, now)
	return ""
}

// answer looks at an answer on its way back, and spoils it.
func (f *KinesisFront) answer(resp *http.Response) error {
	op := operation(resp.Request)
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	if op == "GetShardIterator" || op == "GetRecords" {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		asked, _ := resp.Request.Context().Value(bodyKey{}).([]byte)
		f.note(op, asked, body)
	}
	return f.cut(op, resp)
}

// note remembers to which shard an iterator belongs, and when it was made.
func (f *KinesisFront) note(op string, asked, answered []byte) {
	var in struct{ StreamName, StreamARN, ShardID, ShardIterator string }
	var out struct{ ShardIterator, NextShardIterator string }
	if json.Unmarshal(asked, &in) != nil || json.Unmarshal(answered, &out) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	stream := cmp.Or(in.StreamName, in.StreamARN[strings.LastIndexByte(in.StreamARN, '/')+1:])
	it := iterator{shard: stream + "/" + in.ShardID, at: time.Now()}
	made := out.ShardIterator
	if op == "GetRecords" {
		old, ok := f.made[in.ShardIterator]
		if !ok {
			return
		}
		it.shard, made = old.shard, out.NextShardIterator
	}
	if made == "" {
		return // the shard has ended
	}
	f.made[made] = it
	if len(f.made) > 100_000 { // what is as old as this has expired in the emulator too
		for k, v := range f.made {
			if time.Since(v.at) > 5*time.Minute {
				delete(f.made, k)
			}
		}
	}
}

// cut shortens the body of every so many answers; the connection ends there.
func (f *KinesisFront) cut(op string, resp *http.Response) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	if f.o.Cut == 0 || f.calls[op]%f.o.Cut != 0 {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	f.counts.Cut++
	// With the length of the whole, half of it is an answer that was cut.
	resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	resp.ContentLength = int64(len(body))
	resp.Body = io.NopCloser(bytes.NewReader(body[:len(body)/2]))
	return nil
}
