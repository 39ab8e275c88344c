package rows

import (
	"bytes"
	"strings"
	"testing"
)

// parquetFile is a file with row groups of some numbers of rows, and what its metadata says, in Thrift's compact protocol.
func parquetFile(said byte, groups ...byte) string {
	meta := "\x15\x04" + // 1: version 2
		"\x19\x1c\x48\x01a\x00" + // 2: a schema of one struct, whose field 4 is "a"
		"\x16" + string(rune(said*2)) + // 3: rows
		"\x19" + string(rune(len(groups)<<4|12)) // 4: row groups
	for _, n := range groups {
		meta += "\x19\x1c\x11\x00\x16\x02\x16" + string(rune(n*2)) + "\x00" // 1: a column with a bool; 2: bytes; 3: rows
	}
	meta += "\x28\x01x\x00" // 6: created by
	return "PAR1rows" + meta + string(rune(len(meta))) + "\x00\x00\x00PAR1"
}

func TestRowsOfParquetFilesAreCounted(t *testing.T) {
	whole := parquetFile(5, 2, 3)
	if n, known, err := Of("parquet", strings.NewReader(whole)); n.Rows != 5 || !known || err != nil {
		t.Errorf("got %d, %t, %v, want 5", n.Rows, known, err)
	}
	if _, _, err := Of("parquet", strings.NewReader(parquetFile(5, 2, 2))); err == nil || !strings.Contains(err.Error(), "4 rows") {
		t.Errorf("got %v, want an error about row groups with 4 rows", err)
	}
	for n := range whole {
		if _, _, err := Of("parquet", strings.NewReader(whole[:n])); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a file", n, len(whole))
		}
	}
	for i := range len(whole) - 12 {
		b := []byte(whole)
		b[i+8] ^= 0xff
		_, _, _ = Of("parquet", bytes.NewReader(b)) // and does not panic
	}
}

func TestTheEndOfALongFileIsKept(t *testing.T) {
	l := &lastBytes{most: 10}
	var all string
	for i := range 100 {
		part := strings.Repeat(string(rune('a'+i%26)), i%7)
		all += part
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(l.b); len(got) < 10 || len(got) > 30 || !strings.HasSuffix(all, got) {
		t.Errorf("kept %q of %q", got, all)
	}
}
