package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// PartitionHash stands for a partition: the first half of the SHA-256 of what HashPartitions hashes of it.
type PartitionHash [16]byte

// HashPartition returns the hash of p.
func HashPartition(p record.Partition) (h PartitionHash) {
	sum := sha256.New()
	hashPartition(sum, p)
	copy(h[:], sum.Sum(nil))
	return h
}

// Compare orders hashes.
func (h PartitionHash) Compare(o PartitionHash) int { return bytes.Compare(h[:], o[:]) }

const (
	changeBytes = 32   // of a change: the hash, the position, the time of arrival
	chunkLen    = 1024 // changes of a chunk
	goneMark    = -1   // the position of a change that takes a partition out
)

// Finished are the forgotten partitions that the source may still list and must never deliver again. It is a list of
// changes; each adds a partition or takes one out, so what is written never changes. Every 1024 changes are a chunk, an
// object of its own, and a snapshot repeats only the rest. When there are more than twice as many changes as partitions the
// list begins anew. It is not safe for concurrent use.
type Finished struct {
	chunks []finishedChunk
	tail   []byte
	at     map[PartitionHash]uint32 // index of the change that added it
	saved  int                      // chunks from the first on that are known to be in the store
}

// finishedChunk is never changed.
type finishedChunk struct {
	hash Hash // of its object
	body []byte
}

func newFinished() *Finished { return &Finished{at: map[PartitionHash]uint32{}} }

// Len is how many partitions there are.
func (f *Finished) Len() int { return len(f.at) }

// Has reports whether p is one of them.
func (f *Finished) Has(p record.Partition) bool {
	if len(f.at) == 0 {
		return false
	}
	_, ok := f.at[HashPartition(p)]
	return ok
}

// All returns their hashes, in no order.
func (f *Finished) All() []PartitionHash { return slices.Collect(maps.Keys(f.at)) }

// progress returns what is kept of a partition's progress: that it has ended, where, and when its last record arrived.
func (f *Finished) progress(p record.Partition) (driver.Progress, bool) {
	if len(f.at) == 0 {
		return driver.Progress{}, false
	}
	i, ok := f.at[HashPartition(p)]
	if !ok {
		return driver.Progress{}, false
	}
	c := f.change(int(i))
	g := driver.Progress{UpTo: record.Position{Sub: int64(binary.BigEndian.Uint64(c[16:]))}, Ended: true}
	if t := int64(binary.BigEndian.Uint64(c[24:])); t != 0 {
		g.Arrived = time.Unix(0, t).UTC()
	}
	return g, true
}

func (f *Finished) change(i int) []byte {
	body := f.tail
	if k := i / chunkLen; k < len(f.chunks) {
		body, i = f.chunks[k].body, i-k*chunkLen
	} else {
		i -= len(f.chunks) * chunkLen
	}
	return body[i*changeBytes:][:changeBytes]
}

func (f *Finished) changes() int { return len(f.chunks)*chunkLen + len(f.tail)/changeBytes }

// keeps reports whether a change can hold what matters of an ended partition. A partition with children, or with positions
// that are no plain numbers, is forgotten altogether, so the source must not list it any more.
func keeps(g *driver.Progress) bool { return g.UpTo.Seq == "" && len(g.Children) == 0 }

// add takes up a partition that has ended.
func (f *Finished) add(h PartitionHash, g *driver.Progress) {
	arrived := int64(0)
	if t := g.Arrived; t.Year() > 1700 && t.Year() < 2200 { // others have no nanoseconds; the source looks once more
		arrived = t.UnixNano()
	}
	f.at[h] = uint32(f.changes())
	f.append(h, g.UpTo.Sub, arrived)
}

// remove takes a partition out.
func (f *Finished) remove(h PartitionHash) {
	delete(f.at, h)
	f.append(h, goneMark, 0)
}

func (f *Finished) append(h PartitionHash, at, arrived int64) {
	f.tail = append(f.tail, h[:]...)
	f.tail = binary.BigEndian.AppendUint64(f.tail, uint64(at))
	f.tail = binary.BigEndian.AppendUint64(f.tail, uint64(arrived))
	if len(f.tail) == chunkLen*changeBytes {
		f.chunks = append(slices.Clip(f.chunks), newChunk(f.tail))
		f.tail = nil
	}
}

// tidy begins the list anew if most of it is void. Then the partitions are in the order of their hashes.
func (f *Finished) tidy() {
	if f.changes() <= 2*len(f.at)+chunkLen {
		return
	}
	old := *f
	*f = *newFinished()
	for _, h := range slices.SortedFunc(maps.Keys(old.at), PartitionHash.Compare) {
		c := old.change(int(old.at[h]))
		f.at[h] = uint32(f.changes())
		f.append(h, int64(binary.BigEndian.Uint64(c[16:])), int64(binary.BigEndian.Uint64(c[24:])))
	}
}

type finishedJSON struct {
	Chunks []Hash `json:"chunks,omitempty"`
	Tail   []byte `json:"tail,omitempty"`
}

func (f *Finished) toJSON() *finishedJSON {
	if f.changes() == 0 {
		return nil
	}
	j := &finishedJSON{Tail: f.tail}
	for i := range f.chunks {
		j.Chunks = append(j.Chunks, f.chunks[i].hash)
	}
	return j
}

type chunkJSON struct {
	blobHeader
	Changes []byte `json:"changes"`
}

func newChunk(body []byte) finishedChunk {
	object, err := encodeChunk(body)
	if err != nil {
		panic(err) // bytes can be encoded
	}
	return finishedChunk{HashOf(object), body}
}

func encodeChunk(body []byte) ([]byte, error) {
	return pack(&chunkJSON{blobHeader{Format, MinReader}, body})
}

// Missing returns the chunks that DecodeState could not read. Complete must get all of them before the state is used.
func (f *Finished) Missing() (hashes []Hash) {
	for i := range f.chunks {
		if f.chunks[i].body == nil {
			hashes = append(hashes, f.chunks[i].hash)
		}
	}
	return hashes
}

// DecodeChunk reads the object of a chunk.
func DecodeChunk(want Hash, object []byte) ([]byte, error) {
	name := fmt.Sprintf("chunk %s", want)
	if HashOf(object) != want {
		return nil, corrupt(name, "it is not the object that the snapshot names")
	}
	var j chunkJSON
	if _, err := open(name, object, MaxChunk, &j); err != nil {
		return nil, err
	}
	if len(j.Changes) != chunkLen*changeBytes {
		return nil, corrupt(name, "%d bytes of changes", len(j.Changes))
	}
	return j.Changes, nil
}

// Complete adds the bodies of all chunks, as DecodeChunk returns them, in the order of Missing.
func (f *Finished) Complete(bodies [][]byte) error {
	next := 0
	for i := range f.chunks {
		if f.chunks[i].body == nil {
			if next == len(bodies) {
				return corrupt("snapshot", "a chunk is missing")
			}
			f.chunks[i].body = bodies[next]
			next++
		}
	}
	f.saved = len(f.chunks)
	return f.index()
}

// index fills at.
func (f *Finished) index() error {
	f.at = make(map[PartitionHash]uint32, f.changes())
	for i := range f.changes() {
		c := f.change(i)
		h := PartitionHash(c[:16])
		_, there := f.at[h]
		gone := int64(binary.BigEndian.Uint64(c[16:])) == goneMark
		if there != gone {
			return corrupt("snapshot", "change %d of finished partition %s is out of order", i, hex.EncodeToString(h[:]))
		}
		if gone {
			delete(f.at, h)
		} else {
			f.at[h] = uint32(i)
		}
	}
	return nil
}

// Chunk is an object that a snapshot names.
type Chunk struct {
	Key  string // relative to Root
	Body []byte
}

// Unsaved returns the chunks that are not known to be in the store. They must be stored before a snapshot is.
func (f *Finished) Unsaved() (objects []Chunk, err error) {
	for _, c := range f.chunks[min(f.saved, len(f.chunks)):] {
		object, err := encodeChunk(c.body)
		if err != nil {
			return nil, err
		}
		objects = append(objects, Chunk{ChunkName(c.hash), object})
	}
	return objects, nil
}

// Saved notes that objects, which Unsaved returned, are in the store now.
func (f *Finished) Saved(objects []Chunk) {
	for _, o := range objects {
		if f.saved < len(f.chunks) && ChunkName(f.chunks[f.saved].hash) == o.Key { // else the list has begun anew
			f.saved++
		}
	}
}

func (j *finishedJSON) finished() (*Finished, error) {
	f := newFinished()
	if j == nil {
		return f, nil
	}
	for _, h := range j.Chunks {
		if err := checkHash("chunk", h); err != nil {
			return nil, err
		}
		f.chunks = append(f.chunks, finishedChunk{hash: h})
	}
	if n := len(j.Tail); n%changeBytes != 0 || n >= chunkLen*changeBytes {
		return nil, fmt.Errorf("%d bytes of changes of finished partitions", n)
	}
	if len(j.Tail) > 0 {
		f.tail = j.Tail
	}
	if len(f.chunks) > 0 {
		return f, nil // Complete goes on
	}
	return f, f.index()
}

// joinHashes is their form in an entry: one behind the other.
func joinHashes(list []PartitionHash) (b []byte) {
	for i := range list {
		b = append(b, list[i][:]...)
	}
	return b
}

func splitHashes(b []byte) (list []PartitionHash, err error) {
	if len(b)%len(PartitionHash{}) != 0 {
		return nil, fmt.Errorf("%d bytes of hashes", len(b))
	}
	for c := range slices.Chunk(b, len(PartitionHash{})) {
		list = append(list, PartitionHash(c))
	}
	return list, checkHashes(list)
}

func checkHashes(list []PartitionHash) error {
	for i := range list[min(1, len(list)):] {
		if list[i].Compare(list[i+1]) >= 0 {
			return errors.New("hashes are not in order")
		}
	}
	return nil
}
