package ledger

import (
	"fmt"

	"github.com/onceflow/onceflow/stream"
)

// Blob is a part of an entry that was too long for it: an object created before it, under a name of its own, and named
// by key and hash.
type Blob struct {
	Key    string `json:"key"` // relative to Root
	SHA256 Hash   `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// NewBlob names body.
func NewBlob(key string, body []byte) *Blob {
	return &Blob{Key: key, SHA256: HashOf(body), Bytes: int64(len(body))}
}

func (b *Blob) verify(body []byte) error {
	if int64(len(body)) != b.Bytes || HashOf(body) != b.SHA256 {
		return corrupt(b.object(), "not the object that its entry names")
	}
	return nil
}

func (b *Blob) object() string { return fmt.Sprintf("blob %q", b.Key) }

type blobHeader struct {
	Format    int `json:"format"`
	MinReader int `json:"min_reader"`
}

type filesJSON struct {
	blobHeader
	Files []File `json:"files"`
}

type heldBlobJSON struct {
	blobHeader
	Held *heldJSON `json:"held"`
}

type bodyBlobJSON struct {
	blobHeader
	bodyJSON
}

func blobLimit(body []byte, err error) ([]byte, error) {
	if err == nil && len(body) > MaxBlob {
		err = fmt.Errorf("%w: a blob of %d bytes, at most %d", ErrTooLong, len(body), MaxBlob)
	}
	return body, err
}

// EncodeFiles makes the object that Commit.FilesBlob names.
func EncodeFiles(files []File) ([]byte, error) {
	if err := checkFiles(files); err != nil {
		return nil, err
	}
	return blobLimit(pack(&filesJSON{blobHeader{Format, MinReader}, files}))
}

// DecodeFiles reads the object that b names.
func DecodeFiles(b *Blob, body []byte) ([]File, error) {
	var j filesJSON
	h, err := b.open(body, &j)
	if err != nil {
		return nil, err
	}
	if err := checkFiles(j.Files); err != nil {
		return nil, corrupt(b.object(), "%v", err)
	}
	return j.Files, canonical(b.object(), body, h, func() ([]byte, error) { return pack(&j) })
}

// EncodeHeld makes the object that PartitionCommit.HeldBlob names. held must not be empty.
func EncodeHeld(held stream.HeldSet) ([]byte, error) {
	j, err := toHeld(held)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return blobLimit(pack(&heldBlobJSON{blobHeader{Format, MinReader}, j}))
}

// DecodeHeld reads the object that b names.
func DecodeHeld(b *Blob, body []byte) (stream.HeldSet, error) {
	var j heldBlobJSON
	h, err := b.open(body, &j)
	if err != nil {
		return stream.HeldSet{}, err
	}
	if j.Held == nil {
		return stream.HeldSet{}, corrupt(b.object(), "it has no held set")
	}
	held, err := j.Held.held()
	if err != nil {
		return held, corrupt(b.object(), "%v", err)
	}
	return held, canonical(b.object(), body, h, func() ([]byte, error) {
		again, err := toHeld(held)
		if err != nil {
			return nil, err
		}
		return pack(&heldBlobJSON{j.blobHeader, again})
	})
}

func (b *Blob) open(body []byte, v any) (header, error) {
	if err := b.verify(body); err != nil {
		return header{}, err
	}
	line, h, err := payload(b.object(), body, MaxBlob)
	if err != nil {
		return h, err
	}
	return h, unpack(b.object(), line, h, v)
}
