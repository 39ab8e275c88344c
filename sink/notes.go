package sink

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/onceflow/onceflow/sink/codec"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/files"
)

// Notes reads what the stages of a job wrote down about records: see stage.Noter. It is safe for concurrent use.
type Notes struct {
	reader *reader
	layout files.Layout
	name   string
}

// OpenNotes opens the notes of a name. The error matches fs.ErrNotExist if the job has not begun.
func OpenNotes(ctx context.Context, store Store, job, name string, opts *ReadOptions) (*Notes, error) {
	r, err := newReader(ctx, store, job, opts)
	if err != nil {
		return nil, err
	}
	if err := checkName("notes", name); err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	g, _, err := r.folder.Begun(ctx)
	if err != nil {
		return nil, err
	}
	o := Options{Hour: g.Hour}
	if opts != nil {
		o.Prefix = opts.Prefix
	}
	return &Notes{reader: r, layout: o.layout(job, ""), name: name}, nil
}

// Hour returns the start of the folder's hour that a time is in.
func (n *Notes) Hour(t time.Time) time.Time { return t.UTC().Truncate(n.layout.Hour) }

// List yields the files of the hour that at is in. Those of committed transactions are there once they are published, and
// no others are: see Committed.
func (n *Notes) List(ctx context.Context, at time.Time) iter.Seq2[storage.Object, error] {
	folder := string(n.layout.Folder(n.name, files.Note, n.Hour(at)))
	return func(yield func(storage.Object, error) bool) {
		for o, err := range n.reader.folder.Objects.Store.List(ctx, folder, "") {
			if err != nil {
				yield(o, fmt.Errorf("sink: list %s: %w", folder, err))
				return
			}
			if !strings.HasSuffix(o.Key, files.NoteExt+codec.Zstd.Ext()) {
				continue
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

// Open reads a file that List gave: the bodies of notes, one after the other. It ends with an error if the file is damaged.
func (n *Notes) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := n.reader.folder.Objects.Store.Open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("sink: notes %s: %w", key, err)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("sink: notes %s: %w", key, err)
	}
	return &notesFile{z, r}, nil
}

// notesFile closes both.
type notesFile struct {
	z *zstd.Decoder
	r io.Closer
}

func (f *notesFile) Read(p []byte) (int, error) { return f.z.Read(p) }

func (f *notesFile) Close() error {
	f.z.Close()
	return f.r.Close()
}
