package lane

import (
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Scratch has the buffers for a batch in progress. The lanes of a worker take turns, so they share one. Else each of
// hundreds of lanes would keep buffers as big as its biggest batch. Between batches all are empty.
type Scratch struct {
	emitters []any // *Emitter[Out] of each stage
	rows     any   // *rowScratch[T]
	events   []record.Event[record.Record]
	batch    []uint32  // slots of the batch in progress
	touched  []uint32  // slots that may be finished
	spare    slotTable // of lanes that hold nothing
}

// rowScratch is the typed part of a scratch.
type rowScratch[T any] struct {
	fates []record.Fate
	ready []record.Event[T]
}

// NewScratch makes the buffers of a worker that runs so many stages.
func NewScratch(stages int) *Scratch { return &Scratch{emitters: make([]any, stages)} }

// emitter returns the emitter of a stage.
func emitter[Out any](s *Scratch, st int) *stage.Emitter[Out] {
	if em, ok := s.emitters[st].(*stage.Emitter[Out]); ok {
		return em
	}
	em := &stage.Emitter[Out]{}
	s.emitters[st] = em
	return em
}

// ofRows returns the typed part.
func ofRows[T any](s *Scratch) *rowScratch[T] {
	if r, ok := s.rows.(*rowScratch[T]); ok {
		return r
	}
	r := &rowScratch[T]{}
	s.rows = r
	return r
}
