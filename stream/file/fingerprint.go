package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
)

// printBytes bounds the part of a file that tells it from another one under its name.
const printBytes = 4096

// fingerprint is the identity of a text: of its first line that is a record, with all before it, but at most of its
// first printBytes. It is empty for a text without a record, or whose first line may still grow.
func fingerprint(in *input, r rules, grows bool) (string, error) {
	var buf [printBytes]byte
	for have, end := 0, false; !end; {
		// In small steps: what comes after the first line may be damaged.
		n, err := in.read(buf[have:min(have+512, printBytes)])
		have += n
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		end = err != nil || have == printBytes
		last := end && (have == printBytes || !grows)
		if n := firstRecord(buf[:have], r, last); n > 0 {
			sum := sha256.Sum256(buf[:n])
			return hex.EncodeToString(sum[:8]), nil
		}
	}
	return "", nil
}

// firstRecord is the number of bytes up to the end of the first line that is a record; 0 if it is not in b. last says
// that there will be no more than b.
func firstRecord(b []byte, r rules, last bool) int {
	header := r.header
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 && !last {
			return 0
		}
		line := one(b[at:], end)
		at += line.n
		switch {
		case r.blank != nil && r.blank(line.value):
		case header:
			header = false
		default:
			return at
		}
	}
	return 0
}
