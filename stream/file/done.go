package file

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// doneFiles are files that were read to their end, which is committed. Such a file may lie in the folder for years, so
// of each only its number of bytes, its time of change and hashes are kept: 40 bytes, and what a map adds to that.
type doneFiles map[nameHash]doneFile

// nameHash is the first half of the SHA-256 of a file's ID.
type nameHash [16]byte

type doneFile struct {
	size, changed int64 // changed in nanoseconds since 1970
	print         [8]byte
}

func hashName(id string) (h nameHash) {
	sum := sha256.Sum256([]byte(id))
	copy(h[:], sum[:])
	return h
}

// add takes a file up as a look has found it.
func (d doneFiles) add(f *listed) {
	e := doneFile{size: f.info.Size(), changed: f.info.ModTime().UnixNano()}
	if n, err := hex.Decode(e.print[:], []byte(f.part.Epoch)); err == nil && n == len(e.print) {
		d[hashName(f.id)] = e
	}
}

// same says that a file that was read to its end is as it was then, by its size and its time of change.
func (e *doneFile) same(info os.FileInfo) bool {
	return e.size == info.Size() && e.changed == info.ModTime().UnixNano()
}

// epoch is that of the file's partition.
func (e *doneFile) epoch() string { return hex.EncodeToString(e.print[:]) }
