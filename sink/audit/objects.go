package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"time"
)

// Objects is a Registry of empty objects in a Folder, without a server. All that is registered stands in their names, so a
// listing tells it, a thousand in a request. It is safe for concurrent use.
//
// Registrations are not the objects of the batches, so that a batch that was deleted too early is missed.
type Objects struct{ folder *Folder }

// NewObjects makes the registry of a folder.
func NewObjects(f *Folder) *Objects { return &Objects{f} }

// Register creates an object.
func (o *Objects) Register(ctx context.Context, r Registration) error {
	if err := r.Check(); err != nil {
		return err
	}
	rest := fmt.Sprintf("-%d-%d-%d", r.Lines, r.Bytes, r.Oldest.UnixMilli())
	err := o.folder.store.Create(ctx, o.folder.key(listFolder, r.ID, rest), nil)
	if err != nil && !errors.Is(err, fs.ErrExist) { // the name says all, so what is there is the same
		return fmt.Errorf("audit: register batch %s: %w", r.ID, err)
	}
	return nil
}

// List lists objects.
func (o *Objects) List(ctx context.Context, from, to time.Time) iter.Seq2[Registration, error] {
	first, end := from.UnixMilli(), to.UnixMilli()
	return func(yield func(Registration, error) bool) {
		for at := range hours(from, to) {
			for n, err := range o.folder.names(ctx, listFolder, at) {
				if err != nil {
					yield(Registration{}, err)
					return
				}
				r, ok := registered(n)
				if ms := r.ID.milli(); !ok || ms < first || ms >= end {
					continue
				}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// registered reads the name of an object.
func registered(n named) (Registration, bool) {
	var numbers [3]int64
	rest := n.rest
	for i := range numbers {
		text, ok := strings.CutPrefix(rest, "-")
		if !ok {
			return Registration{}, false
		}
		end := strings.IndexByte(text, '-')
		if end < 0 {
			end = len(text)
		}
		v, err := strconv.ParseUint(text[:end], 10, 62)
		if err != nil {
			return Registration{}, false
		}
		numbers[i], rest = int64(v), text[end:]
	}
	r := Registration{ID: n.id, Lines: int(numbers[0]), Bytes: numbers[1], Oldest: time.UnixMilli(numbers[2]).UTC()}
	return r, rest == "" && r.Check() == nil
}

// Expire deletes registrations if the store can delete objects.
func (o *Objects) Expire(ctx context.Context, before time.Time) error {
	return o.folder.expire(ctx, listFolder, before)
}
