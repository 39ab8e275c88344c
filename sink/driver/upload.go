package driver

import (
	"context"
	"io"
)

// Upload is a file being staged. It is not safe for concurrent use. It ends with the first Close or Abort: after it Write and
// Close fail.
type Upload interface {
	// Write stages p and must not retain it. What it sends has the context of Stage; a Write that only gathers may succeed
	// after that has ended. After an error only Abort is allowed.
	io.Writer

	// Close makes the staged file durable and returns ref, which lets Publish find it in any process. ref has at most 8
	// KiB. After an error only Abort is allowed. If somebody has discarded the staging meanwhile, either Close fails or
	// Publish does.
	Close(ctx context.Context) (ref []byte, err error)

	// Abort deletes the staged file. It is called instead of Close, or after Close if certainly no entry names the file. If
	// it fails the sweeper deletes the file later. A published file it does not touch. It may be called again.
	Abort(ctx context.Context) error
}

// Gatherer is an Upload that collects bytes in memory before it sends them, such as the parts of a multipart upload. The
// sink counts them in the job's budget, and closes files early when there are too many.
type Gatherer interface {
	// Gathered returns how many bytes the upload has in memory. It is called between calls of Write.
	Gathered() int64
}
