package workers

// order keeps the results of a lane until those of all older records have come.
type order[Out any] struct {
	waits ring[awaited[Out]] // from the oldest record on that is not emitted
	first uint64             // its number
}

type awaited[Out any] struct {
	result[Out]
	there bool
}

// expect makes a place for the next record.
func (o *order[Out]) expect() {
	if o.waits.push(); o.first == 0 {
		o.first = 1
	}
}

// put keeps a result. Each place keeps its memory.
func (o *order[Out]) put(r *result[Out]) {
	p := o.waits.at(int(r.seq - o.first))
	p.item, p.err, p.there = r.item, r.err, true
	p.out, r.out, r.err = r.out, p.out[:0], nil
}

// next is the result of the oldest record; nil if it is not there.
func (o *order[Out]) next() *result[Out] {
	if o.waits.n == 0 || !o.waits.first().there {
		return nil
	}
	return &o.waits.first().result
}

// drop goes on to the next record.
func (o *order[Out]) drop() {
	o.waits.first().there = false
	o.waits.skip()
	o.first++
}
