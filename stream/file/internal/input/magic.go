package input

import "bytes"

// Content is what the first bytes of a file say about the rest. Names say nothing: a folder of logs has them all.
type Content string

// The contents that are read.
const (
	Plain   Content = "plain"
	gzipped Content = "gzip"
	zstded  Content = "zstd"
)

// foreign are contents that would read as one endless line or as nonsense.
var foreign = []struct {
	name  string
	magic string
}{
	{"xz", "\xfd7zXZ\x00"},
	{"bzip2", "BZh91AY&SY"},
	{"lz4", "\x04\x22\x4d\x18"},
	{"snappy", "\xff\x06\x00\x00sNaPpY"},
	{"s2", "\xff\x06\x00\x00S2sTwO"},
	{"zip", "PK\x03\x04"},
	{"Parquet", "PAR1"},
	{"Avro", "Obj\x01"},
	{"UTF-16", "\xff\xfe"},
	{"UTF-16", "\xfe\xff"},
}

// sniff needs the first magicBytes of a file, or all of it. Another name than the three above is a content that this
// package does not read.
func sniff(b []byte) Content {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstded
	case len(b) >= 4 && b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18}):
		return zstded // begins with a skippable frame
	}
	for _, f := range foreign {
		if bytes.HasPrefix(b, []byte(f.magic)) {
			return Content(f.name)
		}
	}
	return Plain
}

const magicBytes = 10
