package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// The limits of control objects. A reader refuses a longer one before it allocates memory for it.
const (
	MaxEntry     = 64 << 10
	MaxGenesis   = 64 << 10
	MaxChunk     = 64 << 10
	MaxFlowClaim = 64 << 10
	MaxOwner     = 64 << 20  // about 300,000 lanes with names of 100 bytes
	MaxBlob      = 256 << 20 // about 250,000 files of S3 in one commit
	MaxSnapshot  = 256 << 20
)

const (
	trailerPrefix = "sha256:"
	trailerLen    = len(trailerPrefix) + 2*sha256.Size + 1
)

// HashOf returns the SHA-256 of a whole object, its trailer included.
func HashOf(object []byte) Hash {
	sum := sha256.Sum256(object)
	return Hash(hex.EncodeToString(sum[:]))
}

// pack makes an object of v: one line of JSON and a line with the checksum of the first.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // ends the line
		return nil, err
	}
	sum := HashOf(b.Bytes())
	b.WriteString(trailerPrefix)
	b.WriteString(string(sum))
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// header is what every object begins with. It is checked first, since all else may mean something else in a newer format.
type header struct {
	Format    int  `json:"format"`
	MinReader int  `json:"min_reader"`
	Kind      Kind `json:"kind"`
}

// payload checks the length and the checksum of an object and returns its JSON and its header.
func payload(object string, body []byte, limit int) ([]byte, header, error) {
	var h header
	if len(body) > limit {
		return nil, h, corrupt(object, "%d bytes, at most %d are allowed", len(body), limit)
	}
	if len(body) < trailerLen {
		return nil, h, corrupt(object, "%d bytes are too few", len(body))
	}
	line, trailer := body[:len(body)-trailerLen], body[len(body)-trailerLen:]
	if want := trailerPrefix + string(HashOf(line)) + "\n"; string(trailer) != want {
		return nil, h, corrupt(object, "checksum does not match")
	}
	if len(line) == 0 || bytes.IndexByte(line, '\n') != len(line)-1 {
		return nil, h, corrupt(object, "not one line of JSON")
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, h, corrupt(object, "%v", err)
	}
	if h.Format < 1 || h.MinReader < 1 || h.MinReader > h.Format {
		return nil, h, corrupt(object, "format %d, minimum reader %d", h.Format, h.MinReader)
	}
	if h.MinReader > PackFormat {
		return nil, h, &VersionError{Object: object, Format: h.Format, MinReader: h.MinReader}
	}
	return line, h, nil
}

// unpack reads the JSON of an object into v. A newer format that we may read can have fields that we do not know.
func unpack(object string, line []byte, h header, v any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	if h.Format <= PackFormat {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(v); err != nil {
		return corrupt(object, "%v", err)
	}
	return nil
}

// open reads an object of at most limit bytes into v.
func open(object string, body []byte, limit int, v any) (header, error) {
	line, h, err := payload(object, body, limit)
	if err != nil {
		return h, err
	}
	return h, unpack(object, line, h, v)
}

// canonical checks that an object of our format is exactly what we would have written. Then it has only one reading: no key
// twice or in another case, no other form of a number or a string, no space.
func canonical(object string, body []byte, h header, encode func() ([]byte, error)) error {
	if h.Format > PackFormat {
		return nil
	}
	again, err := encode()
	if err != nil {
		return corrupt(object, "%v", err)
	}
	if !bytes.Equal(again, body) {
		return corrupt(object, "not in canonical form")
	}
	return nil
}
