package main

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"runtime"
	"sync"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
	"github.com/onceflow/onceflow/examples/verify/internal/rows"
)

// contents reads files and packs, and has what was found in them. It is safe for concurrent use.
type contents struct {
	place  *place
	sealed time.Time // packs of hours that end by then may be gone

	mu                 sync.Mutex
	files, bytes, rows int64
	uncounted          int64           // files whose format this program does not know
	headed, plain      map[string]bool // flows whose files begin with a header, or do not
	unpublished        int64           // files of pending commits and merges that are not in place yet
	unpublishedRows    int64
	unplaced           int64 // of these, files of merges

	packs, packBytes, packRows int64
	packsGone                  int64
	uncountedPacks             int64
	merged, mergedRows         int64 // of the files, those of merges
	compared                   int64 // of these, those whose rows are those of the packs
}

// fileCheck is a data file and who names it.
type fileCheck struct {
	what   string
	by     string // who says what is in it
	f      *file
	must   bool // it must be in place
	merged bool
	count  func(io.Reader) (rows.Count, bool, error) // reads it; nil by its name
}

// checkContents reads all files and packs of the ledger, and all merged files.
func checkContents(ctx context.Context, l *ledger, bs *bundles) (*contents, error) {
	found := &contents{place: l.place, sealed: l.hours.packsSealed, headed: map[string]bool{}, plain: map[string]bool{}}
	jobs := make(chan func() error)
	errs := make([]error, runtime.NumCPU())
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for j := range jobs {
				if errs[i] == nil {
					errs[i] = j()
				}
			}
		})
	}
	for _, c := range l.commits.list {
		for i := range c.files {
			f := &c.files[i]
			if f.Kind == kindPack {
				continue
			}
			jobs <- func() error {
				return found.file(ctx, fileCheck{what: fmt.Sprintf("file %s of entry %d", f.Key, c.id), by: "the entry", f: f, must: c.published || c.manifest})
			}
		}
	}
	for _, b := range bs.list {
		jobs <- func() error { return found.bundle(ctx, b) }
	}
	close(jobs)
	wg.Wait()
	for flow := range found.headed {
		l.place.expect(!found.plain[flow], "flow "+flow, "some of its files begin with a header and some do not, or have a row too many")
	}
	return found, errors.Join(errs...)
}

// file reads one file. An error means that it could not be read, which says nothing of the file.
func (found *contents) file(ctx context.Context, c fileCheck) error {
	f := c.f
	r, err := found.place.b.Open(ctx, f.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return found.missing(ctx, c)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, f.Offset); err != nil {
		found.place.bad(c.what, "it ends before its rows begin")
		return nil
	}
	count := c.count
	if count == nil {
		count = func(r io.Reader) (rows.Count, bool, error) { return rows.In(path.Base(f.Key), r) }
	}
	ok, n, known, err := found.compare(c.what, r, f, c.by, count)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Key, err)
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	found.files++
	found.bytes += f.Length
	if c.merged {
		found.merged++
		found.mergedRows += f.Rows
	}
	if c.count != nil && ok {
		found.compared++
	}
	switch {
	case !known:
		found.uncounted++
		return nil
	case n.Is(f.Rows):
		found.plain[f.Flow] = found.plain[f.Flow] || n.Header
	case n.Header && n.Is(f.Rows+1):
		found.headed[f.Flow] = true
	default:
		found.place.bad(c.what, "it has %d rows, %s says %d", n.Rows, c.by, f.Rows)
	}
	found.rows += f.Rows
	return nil
}

// missing judges a file that is not in place.
func (found *contents) missing(ctx context.Context, c fileCheck) error {
	why := "the entry is marked as published or has its manifest"
	if c.merged {
		why = "its hour is sealed or has its manifest"
	}
	if !found.place.expect(!c.must, c.what, "it is missing, though %s", why) {
		return nil
	}
	if lost, err := found.lost(ctx, c.f); lost || err != nil {
		if err != nil {
			return err
		}
		found.place.bad(c.what, "it can never be published: it is neither staged nor in place, and its %d rows are nowhere else here", c.f.Rows)
		return nil
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	found.unpublished++
	found.unpublishedRows += c.f.Rows
	if c.merged {
		found.unplaced++
	}
	return nil
}

// lost tells whether a committed file that is not in place can never be there; false if the bucket does not tell what is staged.
func (found *contents) lost(ctx context.Context, f *file) (bool, error) {
	s, ok := found.place.b.(bucket.Stager)
	if !ok {
		return false, nil
	}
	if staged, err := s.Staged(ctx, f.Key); staged || err != nil {
		if err != nil {
			found.place.r.note("what is staged cannot be listed, so files that are late are not told from lost ones", err)
		}
		return false, ctx.Err()
	}
	r, err := found.place.b.Open(ctx, f.Key) // it may have been published after we looked for it
	if err == nil {
		return false, r.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}

// compare reads the bytes of a file once, for its length, its checksum and its rows.
//
// known is false, too, if they are wrong, or the length or the checksum is; ok tells of that.
func (found *contents) compare(what string, r io.Reader, f *file, by string, count func(io.Reader) (rows.Count, bool, error)) (
	ok bool, n rows.Count, known bool, err error,
) {
	t := &tally{sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	limited := io.LimitReader(r, f.Length+1)
	if f.Offset > 0 {
		limited = io.LimitReader(r, f.Length) // other rows follow
	}
	tee := &teeReader{r: limited, t: t}
	n, known, rowErr := count(tee)
	_, err = io.Copy(io.Discard, tee) // what a decoder did not want
	if err == nil {
		err = tee.err
	}
	if err != nil {
		return false, n, known, err
	}
	ok = found.place.expect(t.n == f.Length, what, "it has %s bytes, %s says %d", moreThan(t.n, f.Length), by, f.Length)
	ok = found.place.expect(t.sum.Sum32() == f.CRC32C || !ok, what, "its CRC-32C is %08x, %s says %08x", t.sum.Sum32(), by, f.CRC32C) && ok
	if ok && rowErr != nil {
		found.place.bad(what, "its rows cannot be read: %v", rowErr)
	}
	ok = ok && rowErr == nil
	return ok, n, known && ok, nil
}

func moreThan(n, want int64) string {
	if n > want {
		return fmt.Sprintf("more than %d", want)
	}
	return fmt.Sprint(n)
}

// tally counts and sums bytes.
type tally struct {
	n   int64
	sum hash.Hash32
}

// teeReader is an io.TeeReader that remembers an error of its source, so that it is not taken for one of the contents.
type teeReader struct {
	r   io.Reader
	t   *tally
	err error
}

func (t *teeReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.t.n += int64(n)
	_, _ = t.t.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}
