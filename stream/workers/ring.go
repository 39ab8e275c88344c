package workers

// ring is a queue that uses its memory again. Its zero value is empty.
type ring[T any] struct {
	buf     []T // its length is a power of two
	head, n int
}

// push adds an element that the caller must fill in. It is zero, but for what skip left in its place.
func (r *ring[T]) push() *T {
	if r.n == len(r.buf) {
		buf := make([]T, max(2*len(r.buf), 8))
		for i := range r.n {
			buf[i] = *r.at(i)
		}
		r.buf, r.head = buf, 0
	}
	r.n++
	return r.at(r.n - 1)
}

// at is the ith element.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// first is the next element.
func (r *ring[T]) first() *T { return &r.buf[r.head] }

// drop takes the next element away and keeps nothing of it alive.
func (r *ring[T]) drop() {
	var zero T
	*r.first() = zero
	r.skip()
}

// skip takes the next element away and leaves it as it is, for the next push into its place.
func (r *ring[T]) skip() {
	r.head = (r.head + 1) & (len(r.buf) - 1)
	if r.n--; r.n == 0 {
		r.head = 0
	}
}
