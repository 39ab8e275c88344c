package driver

import (
	"context"
	"io"
	"iter"
	"time"
)

// Store is a driver of an object store. It must be safe for concurrent use, also by several processes. sinktest.Run checks
// one. Keys are slash-separated and relative to what the Store was opened on. Every store takes their characters as they
// are: a sink escapes everything else.
type Store interface {
	// Create stores body under key if key does not exist; if it does, the error matches fs.ErrExist. The object appears
	// whole or not at all. After any other error the object may exist, or not, or come to exist later. The caller settles
	// it by calling Create again with the same bytes, or by Read. Create must not retain body.
	Create(ctx context.Context, key string, body []byte) error

	// Read returns the object; the error matches fs.ErrNotExist if there is none. It sees every Create and Publish that
	// returned before it was called. It must refuse a body longer than limit before it reads it into memory.
	Read(ctx context.Context, key string, limit int64) ([]byte, error)

	// Open reads an object as a stream. The error matches fs.ErrNotExist if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)

	// List yields the objects whose keys begin with prefix and sort after after, in the order of their bytes. It sees every
	// Create and Publish that returned before it was called. It never shows staging.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]

	// Now is the store's clock. It may cost a request.
	Now(ctx context.Context) (time.Time, error)

	Stager
}

// Object is an entry of a listing.
type Object struct {
	Key  string
	Size int64
}

// Stager uploads files that stay invisible until published.
type Stager interface {
	// Stage starts uploading the file whose final name will be key. ctx stays valid until Close or Abort. Staged must
	// report owner, which is made of lower-case letters and digits. The base name of key starts with owner and a dash, for
	// stores that can recover owner only from the name. most is the size in bytes at which the caller means to end the
	// file, 0 if it does not know. It is a hint, for stores that choose the length of parts before the first: a file may
	// get longer, mostly by less than the caller's last write.
	Stage(ctx context.Context, key, owner string, most int64) (Upload, error)

	// Publish makes a closed file visible under its key. It succeeds, too, if the file was published before, by whomever;
	// it checks the identity of what is there against ref. The error matches ErrStagingLost if neither staging nor the file
	// exists, or another file has the key. After any other error the file may be visible or not; calling Publish again
	// settles it.
	Publish(ctx context.Context, ref []byte) error

	// Staged yields all files in staging, closed or not, of this and other processes.
	Staged(ctx context.Context) iter.Seq2[Staging, error]

	// Discard deletes staging. It succeeds, too, if there is none. It must not touch a published file. The sweeper calls it
	// for files that no entry of the ledger names or ever can name.
	Discard(ctx context.Context, s Staging) error
}

// Staging is a file that is staged and not published.
type Staging struct {
	Key   string // final name
	Owner string
	ID    string // the store's: upload ID, or staging name
	Bytes int64  // 0 where the store does not tell
}
