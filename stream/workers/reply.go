package workers

import (
	"errors"
	"sync"
)

// Reply takes the answer to one attempt at a record. It may be copied and used by any goroutine. The first answer counts, if
// it comes within the attempt's time and before the task is closed. All others are ignored and counted, see Status.
type Reply[Out any] struct {
	to  *box[Out]
	gen uint64
}

// Done finishes the record with any number of results, all in one transaction. None means that it was filtered. out may be
// used again.
func (r Reply[Out]) Done(out ...Out) { r.to.answer(r.gen, out, nil) }

// Fail says that the attempt failed. Options.Failed decides what comes next.
func (r Reply[Out]) Fail(err error) {
	if err == nil {
		err = errors.New("workers: the task failed with a nil error")
	}
	r.to.answer(r.gen, nil, err)
}

// NewReply makes a Reply for a test that calls a task itself. got is called with each answer, the first and all others, by
// who answers.
func NewReply[Out any](got func(out []Out, err error)) Reply[Out] {
	f := &fake[Out]{got: got}
	f.box = box[Out]{mu: new(sync.Mutex), owner: f}
	f.box.expect()
	return Reply[Out]{&f.box, f.box.gen}
}

// box takes the answer to the attempt under way. It is used for one attempt after another; generations tell them apart. It
// does not know In, and no call through an interface gets results, so that an answer costs no allocation.
type box[Out any] struct {
	owner owner
	mu    *sync.Mutex // of the sub-partition. It guards what follows.
	gen   uint64      // of the last attempt
	open  bool        // its answer is awaited
	late  uint64      // the last attempt whose time ran out
	out   []Out
	err   error
}

// owner is who waits for answers. Its methods are called with box.mu held, and unlock it.
type owner interface {
	answered()
	ignored(gen uint64)
}

// expect begins an attempt. It needs mu.
func (b *box[Out]) expect() Reply[Out] {
	b.gen++
	b.open = true
	return Reply[Out]{b, b.gen}
}

func (b *box[Out]) answer(gen uint64, out []Out, err error) {
	b.mu.Lock()
	if !b.open || gen != b.gen {
		b.owner.ignored(gen)
		return
	}
	b.open = false
	b.out, b.err = append(b.out[:0], out...), err
	b.owner.answered()
}

// fake is the owner of a Reply without a stage.
type fake[Out any] struct {
	box box[Out]
	got func([]Out, error)
}

func (f *fake[Out]) answered() {
	f.box.open = true // so that a second answer comes here too
	out, err := append([]Out(nil), f.box.out...), f.box.err
	f.box.mu.Unlock()
	f.got(out, err)
}

func (f *fake[Out]) ignored(uint64) { f.box.mu.Unlock() }
