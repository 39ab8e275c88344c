package twin

import (
	"context"
	"errors"
	"io/fs"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/stream/driver"
)

// mark begins the lines that are replies. A test binary prints others.
const mark = "sinktest-reply "

// request is a call.
type request struct {
	ID         int
	Op         string
	Key, After string
	Owner      string
	Body       []byte // also p of a Write and the ref of a Publish
	Limit      int64  // also the length of a part, and of a file to fill
	Offset     int64
	Most       int64
	Staging    storage.Staging
	Upload     int // which one; the reply to a Stage names it
}

// reply answers the request of the same ID. ID 0 says whether the Store was opened.
type reply struct {
	ID      int
	Failed  bool
	Text    string // of the error
	Is      []int  // which sentinels it matches
	Body    []byte
	Objects []storage.Object
	Staged  []storage.Staging
	Now     time.Time
	Upload  int
	Load    Load
}

// sentinels are the errors that the suite looks for.
var sentinels = []error{
	fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, storage.ErrPermanent, storage.ErrStagingLost, driver.ErrStop,
	context.Canceled, context.DeadlineExceeded,
}

func (r *reply) fail(err error) {
	if err == nil {
		return
	}
	r.Failed, r.Text = true, err.Error()
	for i, s := range sentinels {
		if errors.Is(err, s) {
			r.Is = append(r.Is, i)
		}
	}
}

func (r *reply) err() error {
	if !r.Failed {
		return nil
	}
	e := &told{text: r.Text}
	for _, i := range r.Is {
		e.is = append(e.is, sentinels[i])
	}
	return e
}

// told is an error of the other process.
type told struct {
	text string
	is   []error
}

func (e *told) Error() string   { return e.text }
func (e *told) Unwrap() []error { return e.is }
