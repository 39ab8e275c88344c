package join

// index finds the tree of a key and side by hash: open addressing with linear probing, 8 bytes an entry. The
// keys themselves are not stored, since a pending event has its key.
type index struct {
	at   []entry // a power of two, or none
	live int
}

type entry struct {
	hash uint32
	root ref // none is a free entry
}

// find returns the place of the entry with this hash for whose root same is true. If there is none it returns the free
// place for it.
func (x *index) find(hash uint32, same func(ref) bool) int {
	mask := uint32(len(x.at) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := x.at[i]
		if e.root == none || e.hash == hash && same(e.root) {
			return int(i)
		}
	}
}

// reserve makes room for one more entry. Places found before are void.
func (x *index) reserve() {
	if (x.live+1)*4 > len(x.at)*3 {
		x.resize(max(16, len(x.at)*2))
	}
}

func (x *index) resize(n int) {
	old := x.at
	x.at = make([]entry, n)
	for _, e := range old {
		if e.root != none {
			x.at[x.find(e.hash, func(ref) bool { return false })] = e
		}
	}
}

// remove frees place i and closes the gap, so that probes still find what lies behind it. Places found before are void.
func (x *index) remove(i int) {
	mask := len(x.at) - 1
	for j := i; ; {
		j = (j + 1) & mask
		e := x.at[j]
		if e.root == none {
			break
		}
		// e may move to the gap unless its own place lies after the gap.
		if home := int(e.hash) & mask; (j-home)&mask >= (j-i)&mask {
			x.at[i] = e
			i = j
		}
	}
	x.at[i] = entry{}
	x.live--
	if len(x.at) > 1024 && x.live < len(x.at)/8 {
		x.resize(len(x.at) / 4)
	}
}
