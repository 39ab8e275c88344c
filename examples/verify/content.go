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
	"strings"
	"sync"
)

// contents is what was found in files.
type contents struct {
	mu                 sync.Mutex
	files, bytes, rows int64
	uncounted          int64           // files whose format this program does not know
	headed, plain      map[string]bool // flows whose files begin with a header, or do not
	unpublished        int64           // files of pending commits that are not in place yet
	unpublishedRows    int64
}

// lost tells whether a committed file that is not in place can never be there; false if the bucket does not tell what is staged.
func (l *ledger) lost(ctx context.Context, f *file) (bool, error) {
	s, ok := l.b.(stager)
	if !ok {
		return false, nil
	}
	if staged, err := s.Staged(ctx, f.Key); staged || err != nil {
		if err != nil {
			l.r.note("what is staged cannot be listed, so files that are late are not told from lost ones", err)
		}
		return false, ctx.Err()
	}
	r, err := l.b.Open(ctx, f.Key) // it may have been published after we looked for it
	if err == nil {
		return false, r.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}

// checkContents reads all files of the ledger.
func (l *ledger) checkContents(ctx context.Context) (*contents, error) {
	found := &contents{headed: map[string]bool{}, plain: map[string]bool{}}
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
					errs[i] = l.checkFile(ctx, found, j.c, j.f)
				}
			}
		})
	}
	for _, c := range l.commits {
		for i := range c.files {
			jobs <- job{c, &c.files[i]}
		}
	}
	close(jobs)
	wg.Wait()
	for flow := range found.headed {
		l.r.expect(!found.plain[flow], "flow "+flow, "some of its files begin with a header and some do not, or have a row too many")
	}
	return found, errors.Join(errs...)
}

// checkFile reads one file. An error means that it could not be read, which says nothing of the file.
func (l *ledger) checkFile(ctx context.Context, found *contents, c *committed, f *file) error {
	what := fmt.Sprintf("file %s of entry %d", f.Key, c.id)
	r, err := l.b.Open(ctx, f.Key)
	if errors.Is(err, fs.ErrNotExist) {
		if !l.r.expect(!c.published && !c.manifest, what, "it is missing, though the entry is marked as published or has its manifest") {
			return nil
		}
		if lost, err := l.lost(ctx, f); lost || err != nil {
			if err != nil {
				return err
			}
			l.r.bad(what, "it can never be published: it is neither staged nor in place, and its %d rows are nowhere else here", f.Rows)
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
		l.r.bad(what, "it ends before its rows begin")
		return nil
	}
	n, known, err := l.compare(what, r, f)
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
	case n.is(f.Rows):
		found.plain[f.Flow] = found.plain[f.Flow] || n.header
	case n.header && n.is(f.Rows+1):
		found.headed[f.Flow] = true
	default:
		l.r.bad(what, "it has %d rows, the entry says %d", n.rows, f.Rows)
	}
	found.rows += f.Rows
	return nil
}

// compare reads the bytes of a file once, for its length, its checksum and its rows.
func (l *ledger) compare(what string, r io.Reader, f *file) (n count, known bool, err error) {
	t := &tally{sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	limited := io.LimitReader(r, f.Length+1)
	if f.Offset > 0 {
		limited = io.LimitReader(r, f.Length) // other rows follow
	}
	tee := &teeReader{r: limited, t: t}
	n, known, rowErr := countRows(path.Base(f.Key), tee)
	_, err = io.Copy(io.Discard, tee) // what a decoder did not want
	if err == nil {
		err = tee.err
	}
	if err != nil {
		return n, known, err
	}
	ok := l.r.expect(t.n == f.Length, what, "it has %s bytes, the entry says %d", moreThan(t.n, f.Length), f.Length)
	ok = l.r.expect(t.sum.Sum32() == f.CRC32C || !ok, what, "its CRC-32C is %08x, the entry says %08x", t.sum.Sum32(), f.CRC32C) && ok
	if ok && rowErr != nil {
		l.r.bad(what, "its rows cannot be read: %v", rowErr)
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

// formatOf takes a file's name apart.
func formatOf(name string) (format, codec string) {
	_, ext, _ := strings.Cut(name, ".")
	format = ext
	if i := strings.LastIndexByte(ext, '.'); i >= 0 {
		format, codec = ext[:i], ext[i+1:]
	}
	return format, codec
}
