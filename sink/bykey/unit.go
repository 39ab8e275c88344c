package bykey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Unit is a transaction, or a sealed hour, for a number of keys. It is for one goroutine.
type Unit struct {
	// Entry is the position to store once the rows have had their effect. Of an hour it is the entry that closed it: all rows
	// of this hour are in entries before it.
	Entry uint64

	// Hour is the start of a sealed hour; zero for a transaction.
	Hour time.Time

	reader *Reader
	wanted *wanted
	files  []manifest.File
	packs  []manifest.Pack
	after  uint64 // the position that Transactions was called with
	taken  int64  // rows of the Parts that were yielded last
}

// Part is rows of one key.
type Part struct {
	Path Path          // one of those that were asked for; nil if the rows are of all keys, see Options.Late
	Hour time.Time     // start of the hour that the rows belong to
	Kind manifest.Kind // manifest.OnTime or manifest.Late
	Rows int64
	Key  string // of the object that has them

	open func(context.Context) (io.ReadCloser, error)
}

// Text reads the rows as the flow's format wrote them: a text for a reader of this format, decompressed, with its header if it
// has one. It can be read until the next Part.
func (p *Part) Text(ctx context.Context) (io.ReadCloser, error) { return p.open(ctx) }

// Rows yields the rows of a part, by a reader of the flow's format such as those of package delivery (JSONLines, CSV), and
// compares their number with Part.Rows. After an error it ends.
func Rows[T any](ctx context.Context, p *Part, read func(io.Reader) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		text, err := p.Text(ctx)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for v, err := range content.Rows(p.Key, p.Rows, text, read) {
			if err != nil {
				err = fmt.Errorf("bykey: %w", err)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// Parts yields what the unit has for the keys, in an order that is always the same; a key may have several parts. Rows are read
// from the store as they are asked for, a few MiB at a time. After an error it ends, and the unit must be read again from its
// beginning: the error is a *GoneError if a pack was deleted.
func (u *Unit) Parts(ctx context.Context) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		u.taken = 0
		give := func(p *Part) bool {
			u.taken += p.Rows
			return yield(p, nil)
		}
		err := u.ofFiles(give)
		if err == nil {
			err = u.ofPacks(ctx, give)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop says that no more parts are wanted.
var errStop = errors.New("stop")

func (u *Unit) ofFiles(give func(*Part) bool) error {
	r := u.reader
	for i := range u.files {
		f := &u.files[i]
		if f.Flow != r.flow || f.Kind != manifest.OnTime && (f.Kind != manifest.Late || !r.opts.Late) {
			continue
		}
		if f.Kind == manifest.OnTime && u.early(f.Hour) {
			continue
		}
		folders, err := r.folders(f)
		if err != nil {
			return err
		}
		p := &Part{Hour: f.Hour, Kind: f.Kind, Rows: f.Rows, Key: f.Key, open: func(ctx context.Context) (io.ReadCloser, error) {
			return r.content.Text(ctx, f)
		}}
		ok := folders == "" && f.Kind == manifest.Late // it has the rows of all keys
		if !ok {
			if p.Path, ok = u.wanted.byFolders[folders]; !ok {
				if err := u.other(folders); err != nil {
					return err
				}
				continue
			}
		}
		if !give(p) {
			return errStop
		}
	}
	return nil
}

// early reports whether rows of an hour are left out.
func (u *Unit) early(hour time.Time) bool {
	return u.Hour.IsZero() && hour.Before(u.reader.opts.From)
}

// folders are the folders of keys of a file.
func (r *Reader) folders(f *manifest.File) (string, error) {
	hour := string(r.layout.Folder(f.Flow, files.Kind(f.Kind), f.Hour))
	rest, ok := strings.CutPrefix(f.Key, hour)
	if !ok {
		return "", &sink.CorruptError{Object: f.Key, Reason: "a manifest says that it is a file in " + hour}
	}
	return rest[:strings.LastIndexByte(rest, '/')+1], nil
}

// other looks at folders of keys that nobody wants. If they have other names than those that are wanted, it says so: none of
// these would ever be found.
func (u *Unit) other(folders string) error {
	if u.wanted.fit(folders) {
		u.wanted.met.Store(true)
		return nil
	}
	flow, asked := u.reader.flow, names(u.wanted.folders[0])
	if folders == "" {
		return fmt.Errorf("bykey: entry %d has rows of flow %q without keys, and not by %s: give the flow Keys, or read it whole (sink.Committed, package delivery)", u.Entry, flow, asked)
	}
	return fmt.Errorf("bykey: entry %d has rows of flow %q by %s, and not by %s: ask for paths of these keys, in this order; for both, if the keys of the flow were changed", u.Entry, flow, names(folders), asked)
}

func (u *Unit) ofPacks(ctx context.Context, give func(*Part) bool) error {
	r := u.reader
	for i := range u.packs {
		p := &u.packs[i]
		if p.Flow != r.flow || u.early(p.Hour) {
			continue
		}
		for g, err := range r.content.Groups(ctx, p, u.wanted.choice, !u.wanted.met.Load(), u.other) {
			if err != nil {
				return u.gone(ctx, err)
			}
			part := &Part{Path: u.wanted.byFolders[g.Path], Hour: p.Hour, Rows: g.Rows, Key: p.Key, open: func(context.Context) (io.ReadCloser, error) {
				return groupText{bytes.NewReader(g.Text)}, nil
			}}
			if !give(part) {
				return errStop
			}
		}
	}
	return nil
}

// groupText is rows that are in memory. It tells how many bytes are left, by which readers choose their buffers.
type groupText struct{ *bytes.Reader }

func (groupText) Close() error { return nil }
