// Package rows counts the rows of a file, by the format and the codec that its name tells.
package rows

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Count is how many rows were found.
type Count struct {
	Rows   int64
	Header bool  // the format may begin a file with a header
	alike  int64 // by the other meaning of the extension; 0 if there is none
}

// Is tells whether there are n rows, by either meaning of the extension.
func (c Count) Is(n int64) bool { return c.Rows == n || c.alike > 0 && c.alike == n }

// In counts the rows of a file whose extension it knows. It does not count those of other files.
func In(name string, r io.Reader) (n Count, known bool, err error) {
	format, codec := formatOf(name)
	if codec == "" && decoders[format] != nil { // "x.gz" has no format
		return n, false, nil
	}
	if !counted[format] {
		return n, false, nil
	}
	plain, known, err := Decompress(codec, r)
	if !known || err != nil {
		if errors.Is(err, io.EOF) {
			err = nil // empty
		}
		return n, known, err
	}
	defer plain.Close()
	return Of(format, plain)
}

// counted are the formats whose rows Of counts.
var counted = map[string]bool{"jsonl": true, "ndjson": true, "csv": true, "tsv": true, "txt": true, "log": true, "avro": true, "parquet": true}

// Decompress opens what a codec has compressed. The codec is named by its extension without the dot; "" is none. An empty
// file gives io.EOF with some.
func Decompress(codec string, r io.Reader) (plain io.ReadCloser, known bool, err error) {
	if codec == "" {
		return io.NopCloser(r), true, nil
	}
	open := decoders[codec]
	if open == nil {
		return nil, false, nil
	}
	plain, err = open(r)
	return plain, true, err
}

// Of counts the rows in r, which is not compressed, if it knows the format by its extension without the dot.
func Of(format string, r io.Reader) (n Count, known bool, err error) {
	if !counted[format] {
		return n, false, nil
	}
	switch format {
	case "jsonl", "ndjson":
		n.Rows, err = lines(r, json.Valid)
	case "csv":
		n.Header = true
		n.Rows, err = records(r)
	case "tsv": // with backslashes or with quotes
		n.Header = true
		var quoted recordCounter
		n.Rows, err = lines(io.TeeReader(r, &quoted), nil)
		n.alike = quoted.n
	case "avro":
		_, n, _, err = InContainer(r, io.Discard)
	case "parquet":
		n.Rows, err = parquetRows(r)
	default:
		n.Rows, err = lines(r, nil)
	}
	return n, true, err
}

// decoders open a compressed file; concatenated frames are one file to all of them.
var decoders = map[string]func(io.Reader) (io.ReadCloser, error){
	"gz": func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) },
	"zst": func(r io.Reader) (io.ReadCloser, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<27))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	},
	"sz":  func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(s2.NewReader(r)), nil },
	"s2":  func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(s2.NewReader(r)), nil },
	"lz4": func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(lz4.NewReader(r)), nil },
}

const maxLine = 64 << 20

// lines counts lines, all of which must end, and be valid if valid is not nil.
func lines(r io.Reader, valid func([]byte) bool) (n int64, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for {
		part, err := b.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = append(long, part...); len(long) > maxLine {
				return n, fmt.Errorf("row %d is longer than %d bytes", n+1, maxLine)
			}
			continue
		}
		if errors.Is(err, io.EOF) {
			if len(part)+len(long) > 0 {
				return n, fmt.Errorf("row %d does not end", n+1)
			}
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n++
		if valid == nil {
			long = long[:0]
			continue
		}
		if len(long) > 0 {
			long = append(long, part...)
			part = long
		}
		if !valid(bytes.TrimSuffix(part, []byte("\n"))) {
			return n, fmt.Errorf("row %d is not valid", n)
		}
		long = long[:0]
	}
}

// records counts the records of a CSV file (RFC 4180): line ends within quotes belong to a field.
func records(r io.Reader) (int64, error) {
	var c recordCounter
	if _, err := io.Copy(&c, r); err != nil {
		return c.n, err
	}
	if c.quoted || !c.ended {
		return c.n, fmt.Errorf("record %d does not end", c.n+1)
	}
	return c.n, nil
}

// recordCounter counts what is written to it. A doubled quote closes and opens again.
type recordCounter struct {
	n             int64
	quoted, ended bool
}

func (c *recordCounter) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '"':
			c.quoted = !c.quoted
		case b == '\n' && !c.quoted:
			c.n++
		}
	}
	if len(p) > 0 {
		c.ended = p[len(p)-1] == '\n'
	}
	return len(p), nil
}

// formatOf takes a file's name apart.
func formatOf(name string) (format, codec string) {
	_, ext, _ := strings.Cut(name, ".")
	format = ext
	if i := strings.LastIndexByte(ext, '.'); i >= 0 {
		format, codec = ext[:i], ext[i+1:]
	}
	return format, codec
}
