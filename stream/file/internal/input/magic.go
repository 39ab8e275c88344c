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
	{"compress (.Z)", "\x1f\x9d"},
	{"7z", "7z\xbc\xaf\x27\x1c"},
	{"a SequenceFile", "SEQ\x04"},
	{"a SequenceFile", "SEQ\x05"},
	{"a SequenceFile", "SEQ\x06"},
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
	if bytes.HasPrefix(b, []byte("ORC")) && bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' }) {
		return "ORC"
	}
	for _, f := range foreign {
		if bytes.HasPrefix(b, []byte(f.magic)) {
			return Content(f.name)
		}
	}
	return Plain
}

const magicBytes = 10
