package codec_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/onceflow/onceflow/sink/codec"
)

func TestNewReaderReadsWhatEachCodecWrites(t *testing.T) {
	for _, c := range codecs {
		text := rows(1 << 20)
		file := frames(t, c.codec, text[:1000], nil, text[1000:300000], text[300000:])
		r, err := codec.NewReader("flow/day=2025-05-01/a-1-1.jsonl"+c.codec.Ext(), bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: got %d bytes, %v, want the %d that were written", c.name, len(got), err, len(text))
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: Close: %v", c.name, err)
		}
	}
}

func TestNewReaderEndsAFileThatIsCutOffWithAnError(t *testing.T) {
	for _, c := range codecs {
		if c.codec.Ext() == "" {
			continue
		}
		file := frames(t, c.codec, rows(1<<20))
		r, err := codec.NewReader("x"+c.codec.Ext(), bytes.NewReader(file[:len(file)-5]))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err == nil {
			t.Errorf("%s: a file that is cut off is read without an error", c.name)
		}
	}
}
