package stream

// scratch are the buffers of a batch in progress. The lanes of a worker take turns, so they share one: else each of
// hundreds of lanes would keep buffers as big as its biggest batch. Between batches all are empty.
type scratch struct {
	emitters []any // *Emitter[Out] of each stage
	rows     any   // *rowScratch[T]
	events   []Event[Record]
	batch    []uint32 // slots of the batch in progress
	touched  []uint32 // slots that may be finished
}

// rowScratch is the typed part of a scratch.
type rowScratch[T any] struct {
	fates []Fate
	ready []Event[T]
}

func newScratch(stages int) *scratch { return &scratch{emitters: make([]any, stages)} }

// emitter returns the emitter of a stage.
func emitter[Out any](s *scratch, stage int) *Emitter[Out] {
	if em, ok := s.emitters[stage].(*Emitter[Out]); ok {
		return em
	}
	em := &Emitter[Out]{}
	s.emitters[stage] = em
	return em
}

// ofRows returns the typed part.
func ofRows[T any](s *scratch) *rowScratch[T] {
	if r, ok := s.rows.(*rowScratch[T]); ok {
		return r
	}
	r := &rowScratch[T]{}
	s.rows = r
	return r
}
