package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file"
)

// topic stands for a broker's: files of lines in a folder, one for each partition, that any process adds lines to. It is
// an audit.Sender, safe for concurrent use.
//
// A line is the time at which it was added in milliseconds, a dash, the tag of the send that added it, a space, the mark, the
// value. Times of a file ascend.
type topic struct {
	dir string
	tag string // who sends
}

const partitions = 4

// tornEnd ends a line whose writer died in the middle.
const tornEnd = '\x00'

func partitionFile(p int) string { return fmt.Sprintf("%d.log", p) }

// openTopic makes the files. Each begins with a line without a mark, so that the job knows all partitions from its beginning.
func openTopic(dir, tag string) (*topic, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	t := &topic{dir, tag}
	for p := range partitions {
		err := t.append(p, func(size int64) []byte {
			if size > 0 {
				return nil
			}
			return fmt.Appendf(nil, "%d-begin partition %d made %s\n", time.Now().UnixMilli(), p, time.Now().Format(time.RFC3339Nano))
		})
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Send adds lines, each to the partition of its key.
func (t *topic) Send(ctx context.Context, lines []audit.Line) error {
	var bodies [partitions][]*audit.Line
	for i := range lines {
		h := fnv.New32a()
		_, _ = h.Write(lines[i].Event.Key)
		p := h.Sum32() % partitions
		bodies[p] = append(bodies[p], &lines[i])
	}
	tag := fmt.Sprintf("-%s%08x ", t.tag, rand.Uint32())
	for p, lines := range bodies {
		if len(lines) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := t.append(p, func(int64) (text []byte) {
			now := time.Now().UnixMilli()
			for _, l := range lines {
				text = append(strconv.AppendInt(text, now, 10), tag...)
				text = append(append(l.Mark.AppendPrefix(text), l.Event.Value...), '\n')
			}
			return text
		})
		if err != nil {
			return fmt.Errorf("partition %d: %w", p, err)
		}
	}
	return nil
}

// append adds to a partition what text returns for its size, while no other process does.
func (t *topic) append(p int, text func(size int64) []byte) (err error) {
	f, err := os.OpenFile(filepath.Join(t.dir, partitionFile(p)), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }() // which unlocks it
	if err := lock(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var b []byte
	if n := info.Size(); n > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, n-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			b = append(b, tornEnd, '\n')
		}
	}
	_, err = f.Write(append(b, text(info.Size())...))
	return err
}

// topicSource reads a topic. A record has the time at which it was added, as those of a broker have.
type topicSource struct{ *file.Source }

func openTopicSource(dir string, o *options) (*topicSource, error) {
	src, err := file.Open(file.Config{Dir: dir, Patterns: []string{"*.log"}, Format: file.Lines{}}, &file.Options{
		Follow: true, Poll: min(o.commit, time.Second), Logger: o.logger(),
	})
	return &topicSource{src}, err
}

// Poll takes what the topic adds off the values.
func (s *topicSource) Poll(ctx context.Context) (*driver.Batch, error) {
	b, err := s.Source.Poll(ctx)
	if err != nil {
		return nil, err
	}
	for i := range b.Records {
		r := &b.Records[i]
		at, value := cutTime(r.Value)
		if !at.IsZero() {
			r.Time, r.Value = at, value
		}
	}
	return b, nil
}

// cutTime splits a line of a partition; the time is zero if it is none.
func cutTime(line []byte) (at time.Time, value []byte) {
	head, value, ok := bytes.Cut(line, []byte(" "))
	millis, _, dash := bytes.Cut(head, []byte("-"))
	ms, err := strconv.ParseInt(string(millis), 10, 64)
	if !ok || !dash || err != nil {
		return time.Time{}, line
	}
	return time.UnixMilli(ms).UTC(), value
}

// isWhole says of a record that it is a line that was sent. What is not whole would be counted as a dead line if its mark is.
func isWhole(r *stream.Record) bool {
	return len(r.Value) == 0 || r.Value[len(r.Value)-1] != tornEnd && !bytes.HasPrefix(r.Value, []byte("partition "))
}
