package ledger

import "fmt"

// Blob names a part of an entry that was too long for it. The part is an object of its own, created before the entry, and
// named by key and hash.
type Blob struct {
	Key    string `json:"key"` // relative to Root
	SHA256 Hash   `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	At     int    `json:"at,omitempty"` // which of several pending sets, from 0
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
	return blobLimit(pack(&filesJSON{versionOf(filesHavePacks(files)), files}))
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

func (b *Blob) open(body []byte, v any) (header, error) {
	if err := b.verify(body); err != nil {
		return header{}, err
	}
	return open(b.object(), body, MaxBlob, v)
}
