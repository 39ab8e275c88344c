package escape

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// Empty is the folder of the empty value. Hive, Spark, Trino and Athena read it as NULL. No other value has it,
	// since a leading underscore is escaped.
	Empty = "__HIVE_DEFAULT_PARTITION__"

	// MaxBytes is the longest escaped value in bytes. A longer one is cut and gets a hash.
	MaxBytes = 200

	cutBytes = 120 // of a value too long; with "_", "~" and 64 digits of hash it is 186
)

// Append appends value to dst as the folder of a sink.Key has it. Different values have different folders:
//
//   - ASCII letters, digits and "_.~-" stand for themselves, all other bytes are %XX with upper-case digits, as in URLs, so
//     also each byte of a letter that is not ASCII. Hive, Spark and Athena decode that by themselves.
//   - A dot at either end and a leading underscore are %2E and %5F. So nothing is "." or "..", hidden from readers, or
//     shortened by Windows.
//   - The empty value is [Empty].
//   - If all that takes more than [MaxBytes] bytes it is "_", its first 120 bytes or a little less, "~", and the SHA-256 of
//     the value in hex. Only that cannot be undone by [Undo]; no other value begins with "_" and something else than "_".
//
// Upper and lower case stay apart in the key. A file system that ignores case, as on Macs and Windows, puts the files of
// both into one folder: nothing is lost, as file names are unique, but who reads that folder reads both.
func Append(dst []byte, value string) []byte {
	if value == "" {
		return append(dst, Empty...)
	}
	start := len(dst)
	last := len(value) - 1
	for i := range len(value) {
		c := value[i]
		if Plain(c) && !(c == '.' && (i == 0 || i == last)) && !(c == '_' && i == 0) {
			dst = append(dst, c)
			continue
		}
		const hexDigits = "0123456789ABCDEF"
		dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		if len(dst)-start > MaxBytes {
			break
		}
	}
	if len(dst)-start <= MaxBytes {
		return dst
	}
	cut := start + cutBytes
	for dst[cut-1] == '%' || dst[cut-2] == '%' { // not within %XX
		cut--
	}
	var head [cutBytes]byte
	n := copy(head[:], dst[start:cut])
	sum := sha256.Sum256([]byte(value))
	dst = append(append(append(dst[:start], '_'), head[:n]...), '~')
	return hex.AppendEncode(dst, sum[:])
}

// ErrHashed means that a folder has the hash of a value that was too long for it.
var ErrHashed = errors.New("escape: the folder has a hash of the value")

// Undo returns the value whose folder is s, as made by [Append]. The error matches ErrHashed if that has a hash
// of the value, and else says why no value has that folder.
func Undo(s string) (string, error) {
	if s == Empty {
		return "", nil
	}
	if strings.HasPrefix(s, "_") && !strings.HasPrefix(s, "__") {
		return "", fmt.Errorf("%w: %q", ErrHashed, s)
	}
	v := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			var b [1]byte
			if i+2 >= len(s) {
				return "", fmt.Errorf("escape: undo %q: it ends within %%XX", s)
			}
			if _, err := hex.Decode(b[:], []byte(s[i+1:i+3])); err != nil {
				return "", fmt.Errorf("escape: undo %q: %w", s, err)
			}
			c = b[0]
			i += 2
		}
		v = append(v, c)
	}
	if value := string(v); value != "" && string(Append(nil, value)) == s {
		return value, nil
	}
	return "", fmt.Errorf("escape: undo %q: no value is escaped like this", s)
}

// Plain reports whether every store and every reader takes c as it is: ASCII letters, digits and "_.-~".
func Plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-' || c == '~'
}
