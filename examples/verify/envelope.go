package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// Limits of control objects, and of manifests, in bytes.
const (
	maxEntry    = 64 << 10
	maxOwner    = 1 << 26
	maxBlob     = 1 << 28
	maxSnapshot = 1 << 28
	maxManifest = 1 << 28
	maxRecord   = 1 << 28
)

// newest is the last format that this program knows. Objects have it if only readers that know packs understand them; all
// others have 1.
const newest = 2

// errNewer means that this program is too old for the ledger.
var errNewer = errors.New("it needs a newer reader")

// header begins every control object.
type header struct {
	Format    int `json:"format"`
	MinReader int `json:"min_reader"`
}

// control reads a control object into v, which has its fields behind a header, and returns the hash of the object.
func control(ctx context.Context, b bucket.Bucket, key string, limit int64, v any) (hash string, err error) {
	body, err := bucket.Read(ctx, b, key, limit)
	if err != nil {
		return "", err
	}
	return decode(body, v)
}

// is tells whether an object has the right format, given whether it says anything of packs. What a newer writer may have
// written into it is not known.
func (h header) is(packs bool) bool {
	return h.Format > newest || packs == (h == header{2, 2}) && packs != (h == header{1, 1})
}

// headerOf is that of an object of this version.
func headerOf(packs bool) header {
	if packs {
		return header{2, 2}
	}
	return header{1, 1}
}

func decode(body []byte, v any) (hash string, err error) {
	line, rest, ok := bytes.Cut(body, []byte("\n"))
	if !ok {
		return "", errors.New("it does not end its first line")
	}
	sum := sha256.Sum256(body[:len(line)+1])
	if want := "sha256:" + hex.EncodeToString(sum[:]) + "\n"; string(rest) != want {
		return "", errors.New("its checksum does not match")
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return "", err
	}
	switch {
	case h.Format < 1 || h.MinReader < 1 || h.MinReader > h.Format:
		return "", fmt.Errorf("format %d, min_reader %d", h.Format, h.MinReader)
	case h.MinReader > newest:
		return "", errNewer
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if h.Format <= newest {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("something follows its JSON object")
	}
	all := sha256.Sum256(body)
	return hex.EncodeToString(all[:]), nil
}
