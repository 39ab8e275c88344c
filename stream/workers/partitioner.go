package workers

// Partitioner says which sub-partition of its lane a record belongs to. Nobody remembers it: a record that is read again is
// asked about again, and so may come to another one after a restart or a change of Count.
type Partitioner[In any] struct {
	// Count is the number of sub-partitions of each lane, 1 to 65,536. Those that get no record cost 8 bytes.
	Count int

	// Of gives an index below Count. It must follow from the record alone and must not keep the pointer. One goroutine for
	// each lane calls it. If it is nil, records go to the sub-partitions in turn.
	Of func(*In) int
}

// ByKey gives records with equal keys to one sub-partition, the same in every process: the FNV-1a hash of the key modulo count.
func ByKey[In any](count int, key func(*In) string) Partitioner[In] {
	return Partitioner[In]{Count: count, Of: func(in *In) int { return int(hash(key(in)) % uint64(count)) }}
}

// RoundRobin gives the records of a lane to its sub-partitions in turn, where no order matters.
func RoundRobin[In any](count int) Partitioner[In] { return Partitioner[In]{Count: count} }

// hash is FNV-1a, with its high bits mixed into the low ones, which alone decide where count is a power of two.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h ^ h>>32
}
