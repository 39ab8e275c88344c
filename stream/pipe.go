package stream

import (
	"fmt"

	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// Pipe is a source followed by stages. It is a description, immutable and safe for concurrent use; nothing runs before
// Run.
type Pipe[T any] struct {
	src   Source
	chain core.Chain[T]
}

// From starts a pipe.
func From(src Source) Pipe[Record] {
	return Pipe[Record]{src: src, chain: core.NoStages()}
}

// Via adds a stage.
func Via[In, Out any](p Pipe[In], s Stage[In, Out]) Pipe[Out] {
	if c, ok := s.(viaer[In, Out]); ok {
		return c.via(p)
	}
	return Pipe[Out]{src: p.src, chain: core.Then(p.chain, s)}
}

// viaer is a stage made of several, which a pipe runs as such.
type viaer[In, Out any] interface {
	via(p Pipe[In]) Pipe[Out]
}

// needs is an error if a function that a stage needs is nil.
func needs(missing bool, what string) error {
	if missing {
		return fmt.Errorf("%s is nil", what)
	}
	return nil
}
