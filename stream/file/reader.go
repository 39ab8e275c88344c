package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file/internal/cut"
	"github.com/onceflow/onceflow/stream/file/internal/input"
	"github.com/onceflow/onceflow/stream/record"
)

// reader goes through one file and gives what its plan wants. It is used by one goroutine.
type reader struct {
	in    *input.Input // nil while the file is closed
	part  *record.Partition
	rules cut.Rules
	limit int  // bytes of a record
	grows bool // there may be more after the end of the file

	trace   *trace
	before  uint64 // hash of what stands before where reading stopped; 0 is none
	plan    plan
	line    int64  // number of the line that begins at tail
	last    int64  // position of the last record consumed
	tail    []byte // read and not cut yet
	short   bool   // no record ends in tail
	rest    bool   // tail is within line, whose start was dropped; so is its rest
	opened  bool   // the byte order mark was looked for
	heading heading
	changed time.Time

	end    bool  // the end of the file was read
	broken error // reading failed; what was read before it is good
	failed error // the plan cannot be kept
}

func newReader(part *record.Partition, r cut.Rules, limit int, grows bool, p plan, t *trace, log *slog.Logger) *reader {
	return &reader{part: part, rules: r, limit: limit, grows: grows, trace: t, plan: p, line: 1, last: p.upTo, heading: heading{read: !r.Header, log: log}}
}

// errEnd means that all that is there was read. In a file that grows there may be more later.
var errEnd = errors.New("end of file")

// open gives the reader its file, at first or again.
func (r *reader) open(in *input.Input) error {
	at := int64(0)
	if r.in != nil {
		at = r.offset()
	}
	r.in, r.tail, r.short, r.end = in, r.tail[:0], true, false
	r.changed = in.Info.ModTime().UTC()
	if at == 0 {
		return nil
	}
	return in.Resume(at)
}

// offset is the byte of the text at which tail begins.
func (r *reader) offset() int64 { return r.in.Offset() - int64(len(r.tail)) }

// left is about how many bytes are to be read yet.
func (r *reader) left() int64 {
	if r.in.Kind != input.Plain {
		return chunkBytes
	}
	return r.in.Info.Size() - r.offset() + 1 // one to see the end
}

// read fills c. After an error c is empty; what was read before the error has been given by earlier calls, except with
// errEnd, when the last records are in c. After ctx's error nothing is lost: the next call goes on.
func (r *reader) read(ctx context.Context, c *chunk) error {
	for r.failed == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.load(c)
		if err := r.trace.check(c.buf); err != nil {
			r.replaced(err)
			break
		}
		rest := r.cut(c.buf, c)
		r.trace.add(c.buf[:len(c.buf)-len(rest)])
		r.tail = append(r.tail[:0], rest...)
		over := r.plan.done() || r.short && r.end
		if over && r.failed == nil {
			r.fail(r.plan.end(r.lines()))
		}
		if r.short && r.end && r.failed == nil {
			r.replaced(r.trace.end())
		}
		switch full := len(c.records)+len(c.dead) > 0; {
		case r.failed == nil && over:
			r.mark(c)
			return errEnd
		case full:
			r.mark(c)
			return nil
		case r.failed == nil && r.short && r.broken != nil:
			return r.broken
		}
	}
	return r.failed
}

// replaced makes err, if it is one, the end of the reader. Of a file that was read to its end nothing is lost.
func (r *reader) replaced(err error) {
	switch {
	case err == nil:
	case r.plan.ended && r.plan.pending.Len() == 0:
		r.fail(fmt.Errorf("%w; it was read to its end before, so nothing of it is lost, but of the new content nothing was read: give that another name", err))
	default:
		r.fail(fmt.Errorf("%w: %w", err, driver.ErrLost))
	}
}

// mark says how far the text was read with the records of c.
func (r *reader) mark(c *chunk) {
	c.marks = nil
	if r.last > r.plan.upTo {
		c.marks = []driver.Mark{{Partition: *r.part, At: record.Position{Sub: r.last}, Text: r.trace.mark().String()}}
	}
}

var (
	newline       = []byte{'\n'}
	byteOrderMark = []byte("\xef\xbb\xbf")
)

// load makes c.buf the tail and, if that is too short for a record, more of the file.
func (r *reader) load(c *chunk) {
	c.buf = append(c.buf[:0], r.tail...)
	if !r.short || r.end || r.broken != nil {
		return
	}
	have := len(c.buf)
	if have > cap(c.buf)/2 {
		c.buf = slices.Grow(c.buf, 2*have) // a long line
	}
	n, err := r.in.Read(c.buf[have:cap(c.buf)])
	c.buf = c.buf[:have+n]
	switch {
	case errors.Is(err, io.EOF):
		r.end = true
	case err != nil:
		r.broken = err
	}
	if !r.opened {
		r.opened = true
		c.buf = bytes.TrimPrefix(c.buf, byteOrderMark)
	}
}

// cut appends the records of b to c and returns what is left of b.
func (r *reader) cut(b []byte, c *chunk) []byte {
	for r.short = false; len(c.records)+len(c.dead) < chunkRecords && !r.plan.done(); {
		if b = r.skip(b); r.short {
			return b
		}
		k := r.rules.Split(b, r.end && !r.grows, r.limit)
		if k.Verdict == cut.More {
			r.short = true
			return b
		}
		if k.Verdict != cut.Blank && !r.take(&k, c) {
			return b
		}
		b = b[k.N:]
		r.line += k.Lines
		r.rest = k.Verdict == cut.Endless
	}
	return b
}

// take gives a record to c if the plan wants it. It returns false if the plan cannot be kept.
func (r *reader) take(k *cut.Cut, c *chunk) bool {
	if !r.heading.read {
		if k.Verdict != cut.Record {
			return r.fail(fmt.Errorf("the header is longer than %d bytes", r.limit))
		}
		r.heading.read, r.heading.header = true, []record.Header{{Key: HeaderKey, Value: bytes.Clone(k.Value)}}
		return true
	}
	if r.heading.again(r, k.Value) {
		return true
	}
	deliver, err := r.plan.meet(r.line)
	if err != nil {
		return r.fail(err)
	}
	r.last = r.line
	if !deliver {
		return true
	}
	rec := record.Record{
		Partition: r.part, Position: record.Position{Sub: r.line}, Value: k.Value, Headers: r.heading.header, Time: r.changed,
	}
	if k.Verdict == cut.Record {
		c.records = append(c.records, rec)
	} else if !r.plan.warm {
		rec.Value = k.Value[:min(r.limit, deadBytes)]
		c.dead = append(c.dead, driver.DeadLetter{Record: rec, Stage: "file", Read: time.Now().UTC(),
			Err: fmt.Errorf("line %d is longer than %d bytes", r.line, r.limit)})
	}
	return true
}

// deadBytes is how much of a line that is too long goes to the dead-letter flow.
const deadBytes = 4096

// skip drops what comes before the next line that matters. It sets short if that is not in b.
func (r *reader) skip(b []byte) []byte {
	if r.rest {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			r.short = true
			return b[:0]
		}
		b = b[i+1:]
		r.line++
		r.rest = false
	}
	to := r.plan.skip()
	if r.line >= to || !r.heading.read {
		return b
	}
	if n := int64(bytes.Count(b, newline)); r.line+n < to {
		r.line += n
		r.rest = len(b) > 0 && b[len(b)-1] != '\n'
		r.short = true
		return b[:0]
	}
	for ; r.line < to; r.line++ {
		b = b[bytes.IndexByte(b, '\n')+1:]
	}
	return b
}

// lines is how many lines the file has, at its end.
func (r *reader) lines() int64 {
	if r.rest || len(r.tail) > 0 {
		return r.line
	}
	return r.line - 1
}

// fail makes err, if it is one, the end of the reader. It returns false.
func (r *reader) fail(err error) bool {
	if err != nil {
		r.failed = fmt.Errorf("file: %s (%s): %w", r.in.Path, r.part, err)
	}
	return false
}
