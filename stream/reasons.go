package stream

// reasons numbers the labels given to Drop.
type reasons struct {
	labels map[string]uint16
	names  []string
	n      []int64
	last   string
	lastAt uint16
}

func newReasons() reasons {
	return reasons{labels: map[string]uint16{"": 0}, names: []string{""}, n: make([]int64, 1)}
}

// maxReasons bounds the labels of a lane; more are counted as "other". A label is meant to be a constant.
const maxReasons = 1000

func (r *reasons) index(label string) uint16 {
	if label == r.last {
		return r.lastAt
	}
	i, ok := r.labels[label]
	if !ok {
		if len(r.names) >= maxReasons {
			label = "other"
			if i, ok = r.labels[label]; ok {
				return i
			}
		}
		i = uint16(len(r.names))
		r.labels[label] = i
		r.names = append(r.names, label)
		r.n = append(r.n, 0)
	}
	r.last, r.lastAt = label, i
	return i
}

// take returns the counts and begins anew.
func (r *reasons) take() map[string]int64 {
	m := map[string]int64{}
	for i, n := range r.n {
		if n > 0 && r.names[i] != "" {
			m[r.names[i]] = n
		}
	}
	clear(r.n)
	return m
}
