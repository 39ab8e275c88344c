package scaler

import (
	"context"
	"errors"
)

// ErrConflict means that the target no longer has the size that a decision was made for: somebody else changed it. The
// change was not made. The Scaler does not repeat it; the next step looks anew.
var ErrConflict = errors.New("scaler: the target was changed meanwhile")

// Target is what is resized. A Scaler calls it from one goroutine.
type Target interface {
	// Size returns the size that the target is told to have, which may differ from what runs at the moment. Zero copies
	// mean that somebody switched the job off; the Scaler leaves it so.
	Size(ctx context.Context) (Size, error)

	// Resize makes c.To the size if it is c.From still, and fails with an error matching ErrConflict if it is not. If
	// the size is c.To already, the change is done: the reply of an earlier call may have been lost. A target that cannot
	// compare and set atomically compares first. After any other error the change may have been made or not; calling
	// again with the same change is safe.
	Resize(ctx context.Context, c Change) error
}

// TargetFunc makes a Target of two functions.
func TargetFunc(size func(context.Context) (Size, error), resize func(context.Context, Change) error) Target {
	return funcs{size, resize}
}

type funcs struct {
	size   func(context.Context) (Size, error)
	resize func(context.Context, Change) error
}

var errTargetFunc = errors.New("scaler: a function of TargetFunc is nil")

func (f funcs) Size(ctx context.Context) (Size, error) {
	if f.size == nil {
		return Size{}, errTargetFunc
	}
	return f.size(ctx)
}

func (f funcs) Resize(ctx context.Context, c Change) error {
	if f.resize == nil {
		return errTargetFunc
	}
	return f.resize(ctx, c)
}
