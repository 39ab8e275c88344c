package escape

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// Empty is the folder of the empty value. Readers of Hive's layout, such as Spark, DuckDB and pyarrow, read it as NULL. No
	// other value has it, since a leading underscore is escaped.
	Empty = "__HIVE_DEFAULT_PARTITION__"

	// MaxBytes is the longest escaped value in bytes. A longer one is cut and gets a hash.
	MaxBytes = 200

	cutBytes = 120 // of a value too long; with "_", "~" and 64 digits of hash it is 186
)

// Append appends value to dst as the folder of a sink.Key has it. Different values have different folders:
//
//   - What [Plain] accepts stands for itself: ASCII letters, digits and "_.~-", and almost all characters beyond ASCII, as
//     Hive and Spark write them. Each byte of all others, and of what is not UTF-8, is %XX with upper-case digits.
//   - A dot at either end and a leading underscore are %2E and %5F. So nothing is "." or "..", hidden from readers, or
//     shortened by Windows.
//   - The empty value is [Empty].
//   - If all that takes more than [MaxBytes] bytes it is "_", its first 120 bytes or a few less, "~", and the SHA-256 of
//     the value in hex. Only that cannot be undone by [Undo]; no other value begins with "_" and something else than "_".
//
// Hive, Spark, Trino and Athena take each %XX for one character, ClickHouse takes it for three. So all but ClickHouse read every
// value of ASCII and of plain characters as it was, but take the bytes of an escaped character beyond ASCII, and those that are not
// UTF-8, for Latin-1.
//
// Upper and lower case stay apart in the key, and so do é and e with an accent behind it. A file system that ignores either,
// as on Macs and Windows, puts the files of both into one folder: nothing is lost, as file names are unique, but who reads
// that folder reads both.
func Append(dst []byte, value string) []byte {
	if value == "" {
		return append(dst, Empty...)
	}
	start := len(dst)
	last := len(value) - 1
	for i := 0; i < len(value); i++ {
		c := value[i]
		if plainASCII(c) && !(c == '.' && (i == 0 || i == last)) && !(c == '_' && i == 0) {
			dst = append(dst, c)
			continue
		}
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(value[i:]); size > 1 && Plain(r) {
				dst = append(dst, value[i:i+size]...)
				i += size - 1
				continue
			}
		}
		dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		if len(dst)-start > MaxBytes {
			break
		}
	}
	if len(dst)-start <= MaxBytes {
		return dst
	}
	cut := start + cutBytes
	for dst[cut-1] == '%' || dst[cut-2] == '%' || !utf8.RuneStart(dst[cut]) { // not within %XX or a character
		cut--
	}
	var head [cutBytes]byte
	n := copy(head[:], dst[start:cut])
	sum := sha256.Sum256([]byte(value))
	dst = append(append(append(dst[:start], '_'), head[:n]...), '~')
	return hex.AppendEncode(dst, sum[:])
}

const hexDigits = "0123456789ABCDEF"

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

// Plain reports whether r stands for itself: ASCII letters, digits and "_.-~", and all characters beyond ASCII but those that
// no store or listing should have to print. These are control characters, separators of lines and paragraphs, marks that show
// nothing or turn the direction of text (U+200B, U+200E, U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF, U+FFF9 to U+FFFB, tags), and the
// code points that are no characters. The list is fixed: it does not grow with Unicode.
func Plain(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r >= 0 && plainASCII(byte(r))
	case r < 0xA0, r == 0x200B, r == 0x200E, r == 0x200F, 0x2028 <= r && r <= 0x202E, 0x2060 <= r && r <= 0x206F,
		0xFDD0 <= r && r <= 0xFDEF, r == 0xFEFF, 0xFFF9 <= r && r <= 0xFFFB, 0xE0000 <= r && r <= 0xE007F, r&0xFFFE == 0xFFFE:
		return false
	}
	return utf8.ValidRune(r)
}

func plainASCII(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-' || c == '~'
}
