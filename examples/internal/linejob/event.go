package linejob

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
)

// event is a record on its way into a file.
type event struct {
	topic string
	at    time.Time
	line  []byte
}

func (e *event) time() time.Time { return e.at }

var codecs = map[string]codec.Codec{"zstd": codec.Zstd, "gzip": codec.Gzip, "none": codec.None}

// flows is one for each topic.
func (o *Options) flows(topics []string) (out []sink.Flow[event]) {
	for _, topic := range topics {
		out = append(out, sink.Flow[event]{
			Name: topic, Where: func(e *event) bool { return e.topic == topic },
			Format: format.Lines(".jsonl", writeLine), Codec: codecs[o.codec],
		})
	}
	return out
}

func writeLine(dst []byte, e *event) ([]byte, error) { return append(dst, e.line...), nil }

// parse makes an event of a record. A record that is no JSON, or has no time, goes to the dead-letter flow.
func (o *Options) parse(r *stream.Record) (event, error) {
	e := event{topic: r.Partition.Source[strings.LastIndexByte(r.Partition.Source, '/')+1:], at: r.Time, line: bytes.Clone(r.Value)}
	if o.timeField == "" {
		return e, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Value, &fields); err != nil {
		return e, err
	}
	var err error
	e.at, err = parseTime(fields[o.timeField])
	if err != nil {
		return e, fmt.Errorf("field %q: %w", o.timeField, err)
	}
	return e, nil
}

// parseTime reads RFC 3339, or a number of seconds or milliseconds since 1970.
func parseTime(v json.RawMessage) (time.Time, error) {
	var n float64
	if json.Unmarshal(v, &n) == nil {
		if n < 1e11 {
			return time.UnixMilli(int64(n * 1000)).UTC(), nil
		}
		return time.UnixMilli(int64(n)).UTC(), nil
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return time.Time{}, fmt.Errorf("no time: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	return at.UTC(), err
}
