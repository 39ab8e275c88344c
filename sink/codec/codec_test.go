package codec_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
)

// codecs are all codecs, with readers that are not ours: in this process, and programs that may be installed.
var codecs = []struct {
	name    string
	codec   codec.Codec
	read    func(io.Reader) (io.Reader, error)
	foreign []string
}{
	{"none", codec.None, func(r io.Reader) (io.Reader, error) { return r, nil }, []string{"cat"}},
	{"gzip", codec.Gzip, readGzip, []string{"python3", "-c",
		"import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.stdin.buffer), sys.stdout.buffer)"}},
	{"gzip9", codec.GzipLevel(99), readGzip, []string{"gzip", "-dc"}},
	{"zstd", codec.Zstd, readZstd, []string{"zstd", "-dc"}},
	{"zstd3", codec.ZstdLevel(3), readZstd, []string{"zstd", "-dc"}},
	{"zstd11", codec.ZstdLevel(11), readZstd, []string{"zstd", "-dc", "--memory=1MiB"}},
	{"snappy", codec.Snappy, func(r io.Reader) (io.Reader, error) { return s2.NewReader(r, s2.ReaderMaxBlockSize(64<<10)), nil },
		[]string{"snzip", "-dc", "-t", "framing2"}},
	{"s2", codec.S2, func(r io.Reader) (io.Reader, error) { return s2.NewReader(r), nil }, []string{"s2d", "-c", "-"}},
	{"lz4", codec.LZ4, func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }, []string{"lz4", "-dc"}},
	{"lz4-9", codec.LZ4Level(9), func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }, []string{"lz4", "-dc"}},
}

func readGzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
func readZstd(r io.Reader) (io.Reader, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<20))
}

// rows is text that looks like a clickstream: n bytes of it, or a little less.
func rows(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n)
	for {
		row := fmt.Appendf(nil, `{"id":"%016x","time":"2025-05-01T06:%02d:%02dZ","page":"/shop/%d","user":%d,"agent":"Mozilla/5.0"}`+"\n",
			r.Uint64(), r.IntN(60), r.IntN(60), r.IntN(300), r.IntN(50000))
		if len(b)+len(row) > n {
			return b
		}
		b = append(b, row...)
	}
}

// frames compresses each part as a frame of its own, by one compressor, and returns them one after the other.
func frames(t testing.TB, c codec.Codec, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	comp := c.New()
	for _, p := range parts {
		comp.Reset(&b)
		if _, err := comp.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := comp.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// Concatenated frames are one valid file (rule 4.10), also with an empty frame and one longer than FrameBytes.
func TestConcatenatedFramesAreOneFile(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			text := rows(c.codec.FrameBytes() + 3<<20)
			a, b := text[:1000], text[1000:300000]
			long := text[300000:]
			file := frames(t, c.codec, a, nil, b, long)
			r, err := c.read(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("got %d bytes, %v, want the %d that were written", len(got), err, len(text))
			}
			// Frames made by several compressors make the same file: each is self-contained.
			apart := append(append(frames(t, c.codec, a, nil), frames(t, c.codec, b)...), frames(t, c.codec, long)...)
			if !bytes.Equal(apart, file) {
				t.Error("a frame depends on what its compressor wrote before")
			}
		})
	}
}

func TestForeignProgramsReadTheFrames(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			path, err := exec.LookPath(c.foreign[0])
			if err != nil {
				t.Skipf("%s is not installed", c.foreign[0])
			}
			text := rows(1 << 20)
			cmd := exec.CommandContext(t.Context(), path, c.foreign[1:]...)
			cmd.Stdin = bytes.NewReader(frames(t, c.codec, text[:5000], text[5000:600000], text[600000:]))
			got, err := cmd.Output()
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s: got %d bytes, %v, want the %d that were written", c.foreign[0], len(got), err, len(text))
			}
		})
	}
}

// The hot path: rows are compressed without allocation once a compressor has its buffers.
func TestWriteDoesNotAllocate(t *testing.T) {
	text := rows(64 << 10)
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			comp := c.codec.New()
			comp.Reset(io.Discard)
			write := func() {
				if _, err := comp.Write(text); err != nil {
					t.Fatal(err)
				}
			}
			for range 200 { // grows its buffers
				write()
			}
			// A Write is a block of rows. The S2 writer puts a slice header of 24 bytes on the heap for each block.
			if got := testing.AllocsPerRun(100, write); got > 1 {
				t.Errorf("got %v allocations a Write of %d KiB, want at most 1", got, len(text)>>10)
			}
		})
	}
}

func BenchmarkCodec(b *testing.B) {
	text := rows(16 << 20) // longer than any window, or the second round would be free
	const block = 64 << 10
	for _, c := range codecs {
		b.Run(c.name, func(b *testing.B) {
			var n countWriter
			comp := c.codec.New()
			comp.Reset(&n)
			b.ReportAllocs()
			b.SetBytes(block)
			in, frame := 0, 0
			for b.Loop() {
				at := in % (len(text) - block)
				_, _ = comp.Write(text[at : at+block])
				in += block
				if frame += block; frame >= c.codec.FrameBytes() {
					_ = comp.Close()
					comp.Reset(&n)
					frame = 0
				}
			}
			_ = comp.Close()
			b.ReportMetric(100*float64(n)/float64(in), "%size")
		})
	}
}

type countWriter int

func (n *countWriter) Write(p []byte) (int, error) { *n += countWriter(len(p)); return len(p), nil }

// Rows to compressed bytes: what a flow costs a worker.
func BenchmarkEncodeAndCompress(b *testing.B) {
	row := &click{ID: "0f3b", Page: "/shop/17, \"new\"", Agent: "Mozilla/5.0", User: 4711, Price: 9.99}
	for _, c := range codecs {
		b.Run(c.name, func(b *testing.B) {
			e := format.JSONLines[click]().Open()
			comp := c.codec.New()
			comp.Reset(new(countWriter))
			dst := make([]byte, 0, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				row.User = row.User*6364136223846793005 + 1442695040888963407
				dst, _ = e.Encode(dst, row)
				if len(dst) > 63<<10 {
					_, _ = comp.Write(dst)
					dst = dst[:0]
				}
			}
		})
	}
}

// click is a row of which encoding/json allocates nothing.
type click struct {
	ID, Page, Agent string
	User            int64
	Price           float64
	Mobile          bool
}
