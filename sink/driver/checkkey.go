package driver

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/onceflow/onceflow/sink/escape"
)

// MaxKey and MaxSegment bound keys, and the parts of keys between slashes, in bytes. Every store takes these lengths: S3
// and GCS take keys of 1024 bytes, file systems take names of 255.
const (
	MaxKey     = 1024
	MaxSegment = 255
)

// MaxPrefix bounds what is put before the keys of a job, so that stores take every key.
const MaxPrefix = 256

// CheckKey says why key cannot be the key of an object. Implementers of a Store call it first. A key is one or more
// segments with single slashes between them. A segment is not empty, ".", or "..", and is made of "%", "=" and what
// [escape.Plain] accepts, in UTF-8: ASCII letters, digits and "_.-~", and most characters beyond ASCII. So a key that a Store
// joins to a folder's path cannot leave that folder.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("key %.80q has %d bytes, not 1 to %d", key, len(key), MaxKey)
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("key %q is not UTF-8", key)
	}
	for _, r := range key {
		if !strings.ContainsRune("/%=", r) && !escape.Plain(r) {
			return fmt.Errorf("key %q has the character %q", key, r)
		}
	}
	for s := range strings.SplitSeq(key, "/") {
		switch {
		case s == "" || s == "." || s == "..":
			return fmt.Errorf("key %q has the segment %q", key, s)
		case len(s) > MaxSegment:
			return fmt.Errorf("key %q has a segment of %d bytes, over %d", key, len(s), MaxSegment)
		}
	}
	return nil
}

// CheckPrefix says why prefix cannot be put before keys, by a job or by a Store that has such an option. It is empty, or a
// key with a slash at its end.
func CheckPrefix(prefix string) error {
	folder, ok := strings.CutSuffix(prefix, "/")
	switch {
	case prefix == "":
		return nil
	case !ok:
		return fmt.Errorf("Prefix %q does not end with a slash", prefix)
	case len(prefix) > MaxPrefix:
		return fmt.Errorf("Prefix has %d bytes, at most %d are allowed", len(prefix), MaxPrefix)
	}
	if err := CheckKey(folder); err != nil {
		return fmt.Errorf("Prefix: %w", err)
	}
	return nil
}

// CheckRange says why ReadRange cannot be asked for a part of an object.
func CheckRange(key string, offset, length int64) error {
	if offset < 0 || length <= 0 || offset > math.MaxInt64-length {
		return fmt.Errorf("%d bytes of %.80q from %d on are no part of an object", length, key, offset)
	}
	return CheckKey(key)
}

// CheckOwner says why owner cannot be the owner of a staged file. It must be 1 to 128 lower-case letters and digits.
func CheckOwner(owner string) error {
	if len(owner) == 0 || len(owner) > 128 {
		return errors.New("owner of a staged file: not 1 to 128 bytes")
	}
	for i := range len(owner) {
		if c := owner[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			return fmt.Errorf("owner %q of a staged file has the character %q", owner, c)
		}
	}
	return nil
}
