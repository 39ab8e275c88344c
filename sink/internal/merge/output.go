package merge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	again "github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// The sizes that an output works with.
const (
	// smallBytes is up to which size a file waits in memory until it is whole. Several of these are staged at once.
	smallBytes = 1 << 20

	// waitingBytes is how much of small files waits for others to be staged with, if the budget is not smaller.
	waitingBytes = 8 << 20

	// joinMemory is how much a file of a format's own may keep in memory, in a job without a bound.
	joinMemory = 512 << 20
)

// output stages the files of one unit. It is not safe for concurrent use.
type output struct {
	store  *retry.Store
	env    *env.Env
	owner  string
	folder string                 // of the hour's files, with a slash at its end
	random string                 // part of the names of this attempt
	most   int64                  // bytes after which a file is cut
	codecs map[string]codec.Codec // by extension
	joins  map[string]format.Join // by name
	memory int64                  // that a joined file may keep

	number  atomic.Int64
	waiting []*outFile // small ones that are whole
	bytes   int64      // of these
	staged  []*outFile
	held    *held
	counted int64 // bytes of all that which held knows of

	key  string
	file *outFile // under way; nil before the first piece of a key, and after a cut

	comp    codec.Compressor // of the codec with this extension; all files use it, one after the other
	compExt string
	frame   frame // of the file under way, what comp has made of it so far
}

// outFile is a file of the output.
type outFile struct {
	head  pack.Head
	codec codec.Codec

	join format.File // makes the file; nil if it is a header and frames behind it

	raw  int64  // bytes of rows in the frame under way
	body []byte // what was not written to up
	up   driver.Upload
	to   ledger.MergedFile
}

// add appends a piece of a key path. Those of a path follow each other.
func (o *output) add(ctx context.Context, path string, head *pack.Head, p pack.Piece, rows []byte) error {
	if o.file != nil && (path != o.key || o.file.length() >= o.most || !o.same(&o.file.head, head)) {
		if err := o.end(ctx); err != nil {
			return err
		}
	}
	if o.key = path; o.file == nil {
		if err := o.begin(ctx, head); err != nil {
			return err
		}
	}
	f := o.file
	f.to.Rows += p.Rows
	if f.join != nil {
		err := f.joined(p, rows)
		o.count()
		return err
	}
	if !p.Own {
		if err := o.compress(f, rows); err != nil || f.raw < int64(f.codec.FrameBytes()) {
			return err
		}
	}
	if err := o.endFrame(f); err != nil {
		return err
	}
	if p.Own {
		f.append(rows)
	}
	return o.drain(ctx, f)
}

// drain sends what is gathered of a file once it is not a small one.
func (o *output) drain(ctx context.Context, f *outFile) error {
	o.count()
	if len(f.body) < smallBytes {
		return nil
	}
	return o.write(ctx, f)
}

// length is about how long the file is.
func (f *outFile) length() int64 {
	n := f.to.Length + f.raw
	if f.join != nil {
		n += f.join.Waiting()
	}
	return n
}

// same tells whether rows of packs with these heads may be in one file.
func (o *output) same(a, b *pack.Head) bool {
	return a.Ext == b.Ext && a.Codec == b.Codec && a.Join == b.Join &&
		(bytes.Equal(a.Header, b.Header) || a.Join != "" && o.joins[a.Join].Alike(a.Header, b.Header))
}

func (o *output) begin(ctx context.Context, head *pack.Head) error {
	c, ok := o.codecs[head.Codec]
	join := o.joins[head.Join]
	if !ok || head.Join != "" && join == nil {
		return fmt.Errorf("%w: codec %q, format %q", ErrUnknown, head.Codec, cmp.Or(head.Join, head.Ext))
	}
	if head.Join != "" {
		return o.beginJoined(ctx, head, join)
	}
	if o.comp == nil || o.compExt != head.Codec {
		o.comp, o.compExt = c.New(), head.Codec
	}
	o.file = &outFile{head: *head, codec: c}
	o.file.to.Key = o.name(o.key, head)
	return o.compress(o.file, head.Header)
}

func (o *output) beginJoined(ctx context.Context, head *pack.Head, join format.Join) (err error) {
	f := &outFile{head: *head}
	f.to.Key = o.name(o.key, head)
	o.file = f
	if f.join, err = join.Begin(&draining{ctx, o, f}, head.Header, o.memory); err != nil {
		return fmt.Errorf("sink: begin %s: %w", f.to.Key, err)
	}
	return nil
}

// draining is where a joined file is written to. It keeps the context of the merge, since an io.Writer has none.
type draining struct {
	ctx context.Context
	o   *output
	f   *outFile
}

func (d *draining) Write(b []byte) (int, error) {
	d.f.append(b)
	return len(b), d.o.drain(d.ctx, d.f)
}

// joined adds a piece to a file that its format makes.
func (f *outFile) joined(p pack.Piece, rows []byte) error {
	add := f.join.Rows
	if p.Own {
		add = f.join.Block
	}
	if err := add(rows, p.Rows); err != nil {
		return fmt.Errorf("sink: make %s: %w", f.to.Key, err)
	}
	return nil
}

// append adds bytes that stand in the file as they are.
func (f *outFile) append(b []byte) {
	f.to.Length += int64(len(b))
	f.to.CRC32C = crc32.Update(f.to.CRC32C, castagnoli, b)
	f.body = append(f.body, b...)
}

// compress adds rows to the frame under way.
func (o *output) compress(f *outFile, rows []byte) error {
	if len(rows) == 0 {
		return nil
	}
	if f.raw == 0 {
		o.frame = o.frame[:0]
		o.comp.Reset(&o.frame)
	}
	f.raw += int64(len(rows))
	if _, err := o.comp.Write(rows); err != nil {
		return fmt.Errorf("sink: compress for %s: %w", f.to.Key, err)
	}
	return nil
}

// endFrame ends the frame under way, if there is one.
func (o *output) endFrame(f *outFile) error {
	if f.raw == 0 {
		return nil
	}
	if err := o.comp.Close(); err != nil {
		return fmt.Errorf("sink: compress for %s: %w", f.to.Key, err)
	}
	f.append(o.frame)
	f.raw = 0
	return nil
}

// count counts what the output has in memory. Files that wait count twice: once they are staged the store has them, too.
func (o *output) count() {
	n := compressorBytes + int64(cap(o.frame)) + 2*o.bytes
	if f := o.file; f != nil {
		n += int64(cap(f.body))
		if f.join != nil {
			n += f.join.Waiting()
		}
		if g, ok := f.up.(driver.Gatherer); ok {
			n += g.Gathered()
		}
	}
	o.held.add(n - o.counted)
	o.counted = n
}

// frame is where a compressor writes to.
type frame []byte

func (f *frame) Write(p []byte) (int, error) {
	*f = append(*f, p...)
	return len(p), nil
}

// end makes the file under way whole. A small one is staged later, with others.
func (o *output) end(ctx context.Context) error {
	f := o.file
	if f == nil {
		return nil
	}
	if f.join != nil {
		if err := f.join.Close(); err != nil {
			return fmt.Errorf("sink: make %s: %w", f.to.Key, err)
		}
		f.join = nil
	} else if err := o.endFrame(f); err != nil {
		return err
	}
	o.file = nil
	if f.up != nil {
		return o.close(ctx, f, f.body)
	}
	o.waiting = append(o.waiting, f)
	o.bytes += int64(len(f.body))
	if o.count(); o.bytes < o.held.share(16, waitingBytes) && len(o.waiting) < 256 {
		return nil
	}
	return o.stage(ctx)
}

// stage stages the small files that wait.
func (o *output) stage(ctx context.Context) error {
	list := o.waiting
	o.waiting, o.bytes = nil, 0
	o.staged = append(o.staged, list...)
	return o.env.Wide().Each(ctx, len(list), func(ctx context.Context, i int) error {
		f := list[i]
		return retry.Do(ctx, o.env, func(ctx context.Context) error {
			if f.up != nil { // that failed: another upload of the key is another file
				_ = f.up.Abort(ctx)
				f.up = nil
			}
			return o.close(ctx, f, f.body)
		})
	})
}

// name is a name for a file that was never used before.
func (o *output) name(path string, head *pack.Head) string {
	return o.folder + path + o.owner + "-" + o.random + "-" + strconv.FormatInt(o.number.Add(1), 10) + head.Ext
}

// write sends what is gathered of a large file.
func (o *output) write(ctx context.Context, f *outFile) error {
	if f.up == nil {
		o.staged = append(o.staged, f)
	}
	err := o.send(ctx, f, f.body)
	f.body = f.body[:0]
	o.count()
	return err
}

func (o *output) send(ctx context.Context, f *outFile, body []byte) (err error) {
	if f.up == nil {
		if f.up, err = o.store.Stage(ctx, f.to.Key, o.owner, o.most); err != nil {
			return fmt.Errorf("sink: stage %s: %w", f.to.Key, err)
		}
	}
	if _, err := f.up.Write(body); err != nil {
		return fmt.Errorf("sink: write %s: %w", f.to.Key, err)
	}
	return nil
}

// close sends the rest of a file and makes it durable.
func (o *output) close(ctx context.Context, f *outFile, rest []byte) error {
	if err := o.send(ctx, f, rest); err != nil {
		return err
	}
	ref, err := f.up.Close(ctx)
	if err != nil {
		return fmt.Errorf("sink: close %s: %w", f.to.Key, err)
	}
	f.to.Ref, f.body = ref, nil
	return nil
}

// finish stages everything and returns the files, by key.
func (o *output) finish(ctx context.Context) ([]ledger.MergedFile, error) {
	if err := errors.Join(o.end(ctx), o.stage(ctx)); err != nil {
		return nil, err
	}
	list := make([]ledger.MergedFile, len(o.staged))
	for i, f := range o.staged {
		list[i] = f.to
	}
	slices.SortFunc(list, func(a, b ledger.MergedFile) int { return cmp.Compare(a.Key, b.Key) })
	return list, nil
}

// abort deletes what was staged. No record may name it.
func (o *output) abort(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var list []driver.Upload
	for _, f := range append(o.staged, o.file) {
		if f != nil && f.up != nil {
			list = append(list, f.up)
		}
	}
	errs := make([]error, len(list))
	_ = o.env.Each(ctx, len(list), func(ctx context.Context, i int) error {
		errs[i] = again.Attempt(ctx, o.env.Attempt, list[i].Abort)
		return nil
	})
	return errors.Join(errs...)
}
