package rows

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"
)

// container is a file of two blocks with three rows of "string", by hand.
func container(codec string, blocks ...[]byte) []byte {
	b := []byte("Obj\x01")
	b = binary.AppendVarint(b, 2)
	for _, s := range []string{"avro.schema", `"string"`, "avro.codec", codec} {
		b = append(binary.AppendVarint(b, int64(len(s))), s...)
	}
	marker := strings.Repeat("m", 16)
	b = append(b, "\x00"+marker...)
	for i, body := range blocks {
		b = binary.AppendVarint(b, int64(i+1))
		b = append(binary.AppendVarint(b, int64(len(body))), body...)
		b = append(b, marker...)
	}
	return b
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestRowsOfAvroContainersAreCounted(t *testing.T) {
	for codec, blocks := range map[string][][]byte{
		"null":      {[]byte("\x02a"), []byte("\x02b\x02c")},
		"deflate":   {unhex("634a0400"), unhex("634a624a0600")}, // by Python's zlib, as the checksums of Snappy
		"snappy":    {unhex("02040261495a21b3"), unhex("040c0262026326935ab9")},
		"zstandard": {unhex("28b52ffd04581100000261890d375e"), unhex("28b52ffd04582100000262026398601be7")},
	} {
		var rows bytes.Buffer
		c, n, known, err := InContainer(bytes.NewReader(container(codec, blocks...)), &rows)
		if err != nil || !known || n.Rows != 3 || rows.String() != "\x02a\x02b\x02c" || !bytes.HasSuffix(c.Header, []byte(codec+"\x00")) {
			t.Errorf("%s: got %d rows, %q, %t, %v", codec, n.Rows, rows.String(), known, err)
		}
	}
	_, n, known, err := InContainer(bytes.NewReader(container("lzo", []byte("x"))), io.Discard)
	if known || n.Rows != 1 || err != nil {
		t.Errorf("of a codec that is not known: got %d rows, %t, %v", n.Rows, known, err)
	}
}

func TestAContainerThatIsCutIsRefused(t *testing.T) {
	whole := container("null", []byte("\x02a"), []byte("\x02b\x02c"))
	begin, first := len(container("null")), len(container("null", []byte("\x02a")))
	for n := range whole {
		_, _, _, err := InContainer(bytes.NewReader(whole[:n]), io.Discard)
		if (err == nil) != (n == begin || n == first) {
			t.Errorf("the first %d of %d bytes: got %v", n, len(whole), err)
		}
	}
	for what, block := range map[string][]byte{"snappy": []byte("\x02\x04\x02aXXXX"), "deflate": []byte("xx"), "zstandard": []byte("xx")} {
		if _, _, _, err := InContainer(bytes.NewReader(container(what, block)), io.Discard); err == nil {
			t.Errorf("a block that is no %s is taken for one", what)
		}
	}
}
