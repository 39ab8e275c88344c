package sink

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// Store is a driver of an object store. It must be safe for concurrent use, also by several processes. sinktest.Run
// checks one. Keys are slash-separated, relative to what the Store was opened on, and made of characters that every
// store takes as they are: package sink escapes everything else.
type Store interface {
	// Create stores body under key if key does not exist, and fails with an error matching fs.ErrExist if it does. The
	// object appears whole or not at all. After any other error the object may exist or not, or come to exist later; the
	// caller settles it by calling Create again with the same bytes, or by Read. Create must not retain body.
	Create(ctx context.Context, key string, body []byte) error

	// Read returns the object; the error matches fs.ErrNotExist if there is none. It sees every Create and Publish that
	// returned before it was called. A body longer than limit is an error, before it was read into memory.
	Read(ctx context.Context, key string, limit int64) ([]byte, error)

	// Open reads an object as a stream. The error matches fs.ErrNotExist if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)

	// List yields the objects whose keys begin with prefix and sort after after, in the order of their bytes. It sees
	// every Create and Publish that returned before; staging never.
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
	// Stage begins a file that will be key. ctx lasts until the upload was closed or aborted, so Write may use it. Staged tells owner again; it is made of lower-case letters and digits, and
	// the last element of key begins with it and a dash, for stores that can only find it there.
	Stage(ctx context.Context, key, owner string) (Upload, error)

	// Publish makes a closed file visible under its key. Done already, by us or others, is success; the identity of what
	// is there is checked against ref. The error matches ErrStagingLost if neither staging nor the file exists, or
	// another file has the key. After any other error the file may be visible or not; calling it again settles it.
	Publish(ctx context.Context, ref []byte) error

	// Staged yields all files in staging, closed or not, of this and other processes.
	Staged(ctx context.Context) iter.Seq2[Staging, error]

	// Discard deletes staging; none there is success. It must not touch a published file. The sweeper calls it, for
	// files that no entry names and none can name any more.
	Discard(ctx context.Context, s Staging) error
}

// Limited is a Store that cannot do all that Store and Stager say, and tells what. A job works on it all the same.
type Limited interface{ Limits() Limits }

// Limits are what a Store cannot do.
type Limits struct {
	// Overwrites: Publish replaces an object that another writer put under its key. It does no harm to jobs, since final
	// names are unique.
	Overwrites bool

	// HidesOpen: Staged does not show files before they are closed. HidesAll: it shows none. What is abandoned there is
	// left to the Store's own expiry.
	HidesOpen, HidesAll bool

	// Deletes are rules by which objects are deleted. Open refuses those that would take what a job needs.
	Deletes []Deletion
}

// LimitsOf are the limits of s.
func LimitsOf(s Store) Limits {
	if l, ok := s.(Limited); ok {
		return l.Limits()
	}
	return Limits{}
}

// Staging is a file that is staged and not published.
type Staging struct {
	Key   string // final name
	Owner string
	ID    string // the store's: upload ID, or staging name
	Bytes int64  // 0 where the store does not tell
}

// Upload is a file being staged. It is not safe for concurrent use.
type Upload interface {
	// Write stages p and must not retain it. After an error the upload is of no use but for Abort.
	io.Writer

	// Close makes the staged file durable and returns what Publish needs in any process, at most 8 KiB. After an error
	// the upload is of no use but for Abort.
	Close(ctx context.Context) (ref []byte, err error)

	// Abort deletes the staged file. It is called instead of Close, or after it when the file is surely not named by
	// any entry. On an error the sweeper will do it.
	Abort(ctx context.Context) error
}

// Gatherer is an Upload that gathers bytes in memory before it sends them, such as the parts of a multipart upload. If it
// is told how many, the sink counts them in the job's budget and closes files early when there are too many.
type Gatherer interface {
	// Gathered is the number of bytes that the upload keeps in memory. It is called between calls of Write.
	Gathered() int64
}

// ErrStagingLost means that a committed file is neither in staging nor in place. A person or the store's lifecycle rules may
// have deleted it, or the store may have lost it. It matches driver.ErrStop: the rows can be made again only from the source,
// by a person.
var ErrStagingLost error = hopeless{errors.New("sink: staged file lost")}

// hopeless is an error that another try would only meet again: it matches driver.ErrStop.
type hopeless struct{ error }

func (e hopeless) Is(target error) bool { return target == driver.ErrStop }
func (e hopeless) Unwrap() error        { return e.error }

// ErrPermanent matches errors that trying again does not cure, such as a bucket that does not exist. A Store wraps it
// where it knows; errors that match fs.ErrPermission or a full disk need not. Everything else is tried again for a while.
var ErrPermanent = errors.New("sink: the store refuses")
