package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/sink/codec"
)

// floor is the loop that a good engineer writes in an afternoon. Each partition has a goroutine with a map of the IDs seen
// and a file for each hour, or hour and type, so nothing is shared and nothing locked. It commits nothing: killed, it begins again at the
// first record or loses what is in its buffers.
func (r *run) floor() (outcome, error) {
	var mu sync.Mutex
	var out outcome
	err := r.consume(func(part int32, messages <-chan *sarama.ConsumerMessage, n int64) error {
		w := &hourWriter{dir: r.dir, part: part, split: r.split, codec: r.codec(), files: map[hourKey]*hourFile{}}
		seen := map[dedup.ID]struct{}{}
		copies := int64(0)
		for range n {
			m := <-messages
			e, err := decode(m.Value)
			if err != nil {
				return err
			}
			id := dedup.Hash(e.id)
			if _, ok := seen[id]; ok {
				copies++
				continue
			}
			seen[id] = struct{}{}
			if err := w.write(&e); err != nil {
				return err
			}
		}
		mu.Lock()
		out.Read += n
		out.Copies += copies
		mu.Unlock()
		return w.close()
	})
	return out, err
}

// raw is the client alone, as the floor uses it.
func (r *run) raw() (outcome, error) {
	var read atomic.Int64
	err := r.consume(func(_ int32, messages <-chan *sarama.ConsumerMessage, n int64) error {
		for range n {
			if m := <-messages; len(m.Value) == 0 {
				return errEvent
			}
		}
		read.Add(n)
		return nil
	})
	return outcome{Read: read.Load()}, err
}

// consume gives each partition to a call of f, with the number of records in it.
func (r *run) consume(f func(part int32, messages <-chan *sarama.ConsumerMessage, n int64) error) error {
	c := saramaConfig()
	c.ChannelBufferSize = 4096
	c.Consumer.Fetch.Default = 4 << 20
	client, err := sarama.NewClient(r.from.brokers, c)
	if err != nil {
		return err
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	errs := make([]error, partitions)
	var wg sync.WaitGroup
	for part := range int32(partitions) {
		n, err := client.GetOffset(r.from.topic, part, sarama.OffsetNewest)
		if err != nil {
			return err
		}
		pc, err := consumer.ConsumePartition(r.from.topic, part, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		wg.Go(func() { errs[part] = f(part, pc.Messages(), n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// hourWriter has one file for each hour, or for each hour and type.
type hourWriter struct {
	dir   string
	part  int32
	split bool
	codec codec.Codec
	files map[hourKey]*hourFile
	last  [len(kinds)]*hourFile // most events are of the hour of the one before
}

type hourKey struct {
	hour int64
	flow kind // 0 if types are not told apart
}

type hourFile struct {
	hour int64
	f    *os.File
	b    *bufio.Writer
	z    codec.Compressor
}

const hourMillis = 3600 * 1000

func (w *hourWriter) write(e *event) error {
	k, flow := hourKey{hour: e.at / hourMillis}, "all"
	if w.split {
		k.flow, flow = e.kind, kinds[e.kind]
	}
	h := w.last[k.flow]
	if h == nil || h.hour != k.hour {
		if h = w.files[k]; h == nil {
			dir := filepath.Join(w.dir, flow, e.time().Format("day=2006-01-02/hour=15"))
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return err
			}
			f, err := os.Create(filepath.Join(dir, fmt.Sprintf("part-%d.jsonl%s", w.part, w.codec.Ext())))
			if err != nil {
				return err
			}
			h = &hourFile{hour: k.hour, f: f, b: bufio.NewWriterSize(f, 256<<10), z: w.codec.New()}
			h.z.Reset(h.b)
			w.files[k] = h
		}
		w.last[k.flow] = h
	}
	if _, err := h.z.Write(e.line); err != nil {
		return err
	}
	_, err := h.z.Write(newline)
	return err
}

var newline = []byte{'\n'}

func (w *hourWriter) close() error {
	for _, h := range w.files {
		if err := errors.Join(h.z.Close(), h.b.Flush(), h.f.Close()); err != nil {
			return err
		}
	}
	return nil
}
