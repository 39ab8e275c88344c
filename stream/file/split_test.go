package file

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/file/internal/cut"
	"github.com/onceflow/onceflow/stream/record"
)

// cutAll cuts a text that comes in pieces of the given size, as a reader does.
func cutAll(r cut.Rules, text []byte, piece, limit int) (records []string, lines []int64) {
	line := int64(1)
	rest := false
	for have := min(piece, len(text)); ; {
		last := have == len(text)
		if rest {
			i := bytes.IndexByte(text[:have], '\n')
			if i < 0 && last {
				return records, lines
			}
			if i < 0 {
				have += min(piece, len(text)-have)
				continue
			}
			text, have, rest = text[i+1:], have-i-1, false
			line++
		}
		k := r.Split(text[:have], last, limit)
		switch k.Verdict {
		case cut.More:
			if last {
				return records, lines
			}
			have += min(piece, len(text)-have)
			continue
		case cut.Record:
			records, lines = append(records, string(k.Value)), append(lines, line)
		case cut.Blank:
		case cut.TooLong, cut.Endless:
			records, lines = append(records, "!"), append(lines, line)
			rest = k.Verdict == cut.Endless
		}
		text, have = text[k.N:], have-k.N
		line += k.Lines
	}
}

func seeds(f *testing.F) {
	for _, s := range []string{
		"", "\n", "a", "a\nb\n", "a\r\nb\r", "\r\n\r", " \n\t\n{}\n", "a,b\n\"c\nd\",e\n", "\"a\"\"b\n\",\n", "\"a\nb\n\"c\"\nd", "a\"b,\"c\nd\"\n",
		"\"\"\"\n\"", "\"a\"\r\n\"b\"\r", strings.Repeat("x", 50) + "\ny\n", "\"" + strings.Repeat("x\n", 30) + "\"\ny\n", ",\n,\"\"\n",
	} {
		f.Add([]byte(s), 3, 20)
	}
}

// The lines are those of bufio.Scanner, whatever the pieces.
func FuzzLines(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte, piece, limit int) {
		piece, limit = max(1, piece, len(text)/64), 1+max(0, limit)%(1<<20)
		got, lines := cutAll(Lines{}.rules(), text, piece, limit)
		var want []string
		sc := bufio.NewScanner(bytes.NewReader(text))
		sc.Buffer(nil, len(text)+10)
		for sc.Scan() {
			if len(sc.Bytes()) > limit {
				want = append(want, "!")
			} else {
				want = append(want, sc.Text())
			}
		}
		same(t, "lines", got, want)
		for i, n := range lines {
			if n != int64(i+1) {
				t.Fatalf("line %d has number %d", i+1, n)
			}
		}
	})
}

// How a text is cut does not depend on the pieces in which it came.
func FuzzPieces(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte, piece, limit int) {
		piece, limit = max(1, piece, len(text)/64), 1+max(0, limit)%(1<<20)
		for _, format := range []Format{NDJSON{}, Lines{}, CSV{}, CSV{Comma: ';'}} {
			got, at := cutAll(format.rules(), text, piece, limit)
			want, wantAt := cutAll(format.rules(), text, len(text), limit)
			if !slices.Equal(got, want) || !slices.Equal(at, wantAt) {
				t.Errorf("%T in pieces of %d, limit %d:\n got %q %v\nwant %q %v", format, piece, limit, got, at, want, wantAt)
			}
		}
	})
}

// Records and fields are those of encoding/csv, up to its first error; after a broken line we go on with the next line.
func FuzzCSV(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte, piece, limit int) {
		if bytes.Contains(text, []byte("\r")) {
			text = bytes.ReplaceAll(text, []byte("\r"), nil) // encoding/csv rewrites them within fields
		}
		records, lines := cutAll(CSV{}.rules(), text, max(1, piece, len(text)/64), len(text)+1)
		split := Fields(CSV{}, func(f [][]byte) (fields []string, err error) {
			for _, b := range f {
				fields = append(fields, string(b))
			}
			return fields, nil
		})
		ref := csv.NewReader(bytes.NewReader(text))
		ref.FieldsPerRecord = -1
		for i, r := range records {
			want, wantErr := ref.Read()
			got, err := split(&record.Record{Value: []byte(r)})
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("record %d, %q: got %v, want %v", i, r, err, wantErr)
			}
			if err != nil {
				var p *csv.ParseError
				if !errors.As(wantErr, &p) || int64(p.StartLine) != lines[i] {
					t.Fatalf("record %d begins at line %d, want %v", i, lines[i], wantErr)
				}
				return
			}
			if at, _ := ref.FieldPos(0); int64(at) != lines[i] || !slices.Equal(got, want) {
				t.Fatalf("record %d, %q: got %q at line %d, want %q at line %d", i, r, got, lines[i], want, at)
			}
		}
		if r, err := ref.Read(); !errors.Is(err, io.EOF) {
			t.Fatalf("after %d records: %q, %v", len(records), r, err)
		}
	})
}

func TestBrokenCSVLineCostsItselfAlone(t *testing.T) {
	for _, text := range []string{
		"1,a\n2,\"b\n3,c\n4,\"d\"\n5,e\n", "1,a\n2,b\"\n3,c\n4,\"d\"\n5,e\n", "1,a\n2,\"b\"x\n3,c\n4,\"d\"\n5,e\n", "1,a\n2,\"b\n3,c\n4,d\n5,e\n",
	} {
		records, _ := cutAll(CSV{}.rules(), []byte(text), 4, 100)
		var got []string
		for _, r := range records {
			v, err := Fields(CSV{}, func(f [][]byte) (string, error) { return string(f[0]), nil })(&record.Record{Value: []byte(r)})
			if err != nil {
				v = "broken"
			}
			got = append(got, v)
		}
		same(t, text, got, []string{"1", "broken", "3", "4", "5"})
	}
}
