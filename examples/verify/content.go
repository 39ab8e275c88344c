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

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
	"github.com/onceflow/onceflow/examples/verify/internal/rows"
)

// contents reads files, and has what was found in them. It is safe for concurrent use.
type contents struct {
	place *place

	mu                 sync.Mutex
	files, bytes, rows int64
	uncounted          int64           // files whose format this program does not know
	headed, plain      map[string]bool // flows whose files begin with a header, or do not
	unpublished        int64           // files of pending commits that are not in place yet
	unpublishedRows    int64
}

// checkContents reads all files of the ledger.
func checkContents(ctx context.Context, p *place, commits []*committed) (*contents, error) {
	found := &contents{place: p, headed: map[string]bool{}, plain: map[string]bool{}}
	type job struct {
		c *committed
		f *file
	}
	jobs := make(chan job)
	errs := make([]error, runtime.NumCPU())
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for j := range jobs {
				if errs[i] == nil {
					errs[i] = found.file(ctx, j.c, j.f)
				}
			}
		})
	}
	for _, c := range commits {
		for i := range c.files {
			jobs <- job{c, &c.files[i]}
		}
	}
	close(jobs)
	wg.Wait()
	for flow := range found.headed {
		p.expect(!found.plain[flow], "flow "+flow, "some of its files begin with a header and some do not, or have a row too many")
	}
	return found, errors.Join(errs...)
}

// file reads one file. An error means that it could not be read, which says nothing of the file.
func (found *contents) file(ctx context.Context, c *committed, f *file) error {
	what := fmt.Sprintf("file %s of entry %d", f.Key, c.id)
	r, err := found.place.b.Open(ctx, f.Key)
	if errors.Is(err, fs.ErrNotExist) {
		if !found.place.expect(!c.published && !c.manifest, what, "it is missing, though the entry is marked as published or has its manifest") {
			return nil
		}
		if lost, err := found.lost(ctx, f); lost || err != nil {
			if err != nil {
				return err
			}
			found.place.bad(what, "it can never be published: it is neither staged nor in place, and its %d rows are nowhere else here", f.Rows)
			return nil
		}
		found.mu.Lock()
		found.unpublished++
		found.unpublishedRows += f.Rows
		found.mu.Unlock()
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, f.Offset); err != nil {
		found.place.bad(what, "it ends before its rows begin")
		return nil
	}
	n, known, err := found.compare(what, r, f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Key, err)
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	found.files++
	found.bytes += f.Length
	switch {
	case !known:
		found.uncounted++
		return nil
	case n.Is(f.Rows):
		found.plain[f.Flow] = found.plain[f.Flow] || n.Header
	case n.Header && n.Is(f.Rows+1):
		found.headed[f.Flow] = true
	default:
		found.place.bad(what, "it has %d rows, the entry says %d", n.Rows, f.Rows)
	}
	found.rows += f.Rows
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
func (found *contents) compare(what string, r io.Reader, f *file) (n rows.Count, known bool, err error) {
	t := &tally{sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	limited := io.LimitReader(r, f.Length+1)
	if f.Offset > 0 {
		limited = io.LimitReader(r, f.Length) // other rows follow
	}
	tee := &teeReader{r: limited, t: t}
	n, known, rowErr := rows.In(path.Base(f.Key), tee)
	_, err = io.Copy(io.Discard, tee) // what a decoder did not want
	if err == nil {
		err = tee.err
	}
	if err != nil {
		return n, known, err
	}
	ok := found.place.expect(t.n == f.Length, what, "it has %s bytes, the entry says %d", moreThan(t.n, f.Length), f.Length)
	ok = found.place.expect(t.sum.Sum32() == f.CRC32C || !ok, what, "its CRC-32C is %08x, the entry says %08x", t.sum.Sum32(), f.CRC32C) && ok
	if ok && rowErr != nil {
		found.place.bad(what, "its rows cannot be read: %v", rowErr)
	}
	return n, known && ok && rowErr == nil, nil
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
