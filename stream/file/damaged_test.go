package file

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// lines makes n lines that compress badly.
func lines(n int) (text string, want []string) {
	var b strings.Builder
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + 1442695040888963407
		s := fmt.Sprintf("%d %x", i, x)
		b.WriteString(s + "\n")
		want = append(want, fmt.Sprintf("f:%d:%s", i+1, s))
	}
	return b.String(), want
}

func TestFileThatWasCutShortGivesWhatIsLeft(t *testing.T) {
	text, want := lines(20_000)
	for name, packed := range map[string]string{"gzip": gz(text), "zstd": zst(text, zstd.WithWindowSize(64<<10))} {
		for _, at := range []int{len(packed) / 2, len(packed) - 2} {
			dir := folder(t, map[string]string{"f": packed[:at], "g": "a\n"})
			r := newReading(t, open(t, Config{Dir: dir}, &Options{MaxOpen: 1}))
			r.s.chunks.bytes = 4096
			err := r.all()
			fault := fmt.Sprintf("%s: the %s data may be cut short, or still be written, at byte %d or", filepath.Join(dir, "f"), name, at)
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s cut short at %d: got %v", name, at, err)
			}
			if n := len(r.got); n < len(want)*at/len(packed)-6000 || n > len(want) {
				t.Errorf("%s cut short at %d of %d: %d of %d records before the error", name, at, len(packed), n, len(want))
			}
			same(t, "records before the cut", r.got, want[:len(r.got)])
			if again := r.all(); again == nil || again.Error() != err.Error() {
				t.Errorf("Poll after the error: got %v, want %v", again, err)
			}
		}
	}
}

// Without the check, flipped bits in the middle of a gzip file gave other lines with no error for thousands of bytes.
func TestDamagedFileGivesNoWrongRecord(t *testing.T) {
	text, want := lines(20_000)
	for name, packed := range map[string]string{"gzip": gz(text), "zstd": zst(text, zstd.WithWindowSize(64<<10))} {
		for at := 5000; at < len(packed); at += len(packed) / 17 {
			broken := []byte(packed)
			broken[at] ^= 0x55
			dir := folder(t, map[string]string{"f": string(broken)})
			r := newReading(t, open(t, Config{Dir: dir}, nil))
			r.s.chunks.bytes = 4096
			err := r.all()
			fault := fmt.Sprintf("%s: the %s data may be ", filepath.Join(dir, "f"), name)
			if err == nil || !strings.Contains(err.Error(), fault) || !strings.Contains(err.Error(), " at byte ") {
				t.Errorf("%s damaged at %d: got %v", name, at, err)
			}
			if !strings.Contains(err.Error(), "cut short") && len(r.got) > 0 {
				t.Errorf("%s damaged at %d: %d records", name, at, len(r.got))
			}
			same(t, "records", r.got, want[:len(r.got)])
		}
	}
}

func TestUncheckedFileIsReadOnce(t *testing.T) {
	text, want := lines(20_000)
	packed := gz(text)
	broken := []byte(packed)
	broken[len(broken)-6] ^= 1 // of the checksum
	dir := folder(t, map[string]string{"f": string(broken)})
	for _, unchecked := range []bool{false, true} {
		r := newReading(t, open(t, Config{Dir: dir}, &Options{Unchecked: unchecked}))
		r.s.chunks.bytes = 4096
		if err := r.all(); err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("got %v", err)
		}
		if n := len(r.got); unchecked != (n > 19_000) || n > len(want) {
			t.Errorf("unchecked %v: %d records", unchecked, n)
		}
	}
}

func TestLargeWindowIsRefusedWithTheOptionToSet(t *testing.T) {
	text := strings.Repeat("0123456789abcdef\n", 1<<18)
	dir := folder(t, map[string]string{"f": zst(text, zstd.WithWindowSize(8<<20), zstd.WithSingleSegment(false))})
	r := newReading(t, open(t, Config{Dir: dir}, nil))
	r.s.chunks.bytes = 0
	if err := r.all(); err != nil || len(r.got) != 1<<18 {
		t.Errorf("%d records, want %d; %v", len(r.got), 1<<18, err)
	}
	s, err := Open(Config{Dir: dir}, &Options{MaxWindow: 1 << 20})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "larger than Options.MaxWindow, 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestBatchesKeepLittleMemory(t *testing.T) {
	// 50 MiB of zeros in a small file: a line that never ends.
	dir := folder(t, map[string]string{"f": "a\n" + strings.Repeat("\n", 10), "g": gz(strings.Repeat("\x00", 50<<20) + "\nlast\n")})
	r := newReading(t, open(t, Config{Dir: dir}, nil))
	r.s.chunks.bytes, r.s.chunks.poison = 0, false
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	got := sorted(r.got)
	if len(got) != 3 || !strings.HasPrefix(got[1], "!g:1:\x00") || got[2] != "g:2:last" {
		t.Fatalf("got %d records", len(got))
	}
	for _, free := range r.s.chunks.free {
		for _, c := range free {
			if cap(c.buf) > 2*chunkBytes {
				t.Errorf("a chunk of %d bytes was kept", cap(c.buf))
			}
		}
	}
}
