package file

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/onceflow/onceflow/stream/driver"

	"github.com/onceflow/onceflow/stream/file/internal/input"
)

// trace is a running hash of the text that a reader has consumed, by which the next run finds out whether the file still
// begins with it. A line number alone fits any file that is long enough: of one that took the place of another with the
// same first line, the first 100 of 150 lines were once skipped.
type trace struct {
	sum  xxh3.Hasher
	n    int64    // bytes consumed
	want textMark // of the last run, until the text was found to begin with it
}

// textMark is a position of a text in bytes, without the byte order mark, and the hash of all before it. Its zero value says
// nothing.
type textMark struct {
	n   int64
	sum string
}

func (m textMark) String() string { return strconv.FormatInt(m.n, 10) + "-" + m.sum }

// parseMark reads what String wrote; what it cannot read says nothing.
func parseMark(s string) textMark {
	n, sum, _ := strings.Cut(s, "-")
	at, err := strconv.ParseInt(n, 10, 64)
	if err != nil || at < 1 || len(sum) != 32 {
		return textMark{}
	}
	return textMark{at, sum}
}

// newTrace begins with the text.
func newTrace(p driver.Progress) *trace {
	return &trace{want: parseMark(p.Mark)}
}

// check looks at b, which is what follows the bytes consumed, whether the text is the one of the last run.
func (t *trace) check(b []byte) error {
	rest := t.want.n - t.n
	if t.want.n == 0 || rest > int64(len(b)) {
		return nil
	}
	sum := t.sum
	_, _ = sum.Write(b[:max(rest, 0)])
	if rest < 0 || hash(&sum) != t.want.sum {
		return t.other()
	}
	t.want = textMark{}
	return nil
}

// end says that the text has ended.
func (t *trace) end() error {
	if t.want.n == 0 {
		return nil
	}
	return t.other()
}

func (t *trace) other() error {
	return fmt.Errorf("its first %d bytes of text are not those that were read: another file took its place, or it was written anew", t.want.n)
}

// add takes b in as consumed.
func (t *trace) add(b []byte) {
	_, _ = t.sum.Write(b)
	t.n += int64(len(b))
}

// mark is where the trace is.
func (t *trace) mark() textMark { return textMark{t.n, hash(&t.sum)} }

func hash(h *xxh3.Hasher) string {
	sum := h.Sum128().Bytes()
	return hex.EncodeToString(sum[:])
}

// lookBack is how much of a plain file, before where reading stopped, is looked at when it is opened again in one run.
const lookBack = 1024

// leave is called before the file is closed: it takes down what stands before where a plain file will be gone on with.
func (r *reader) leave() {
	r.before = 0
	if at := r.offset(); r.in.Kind == input.Plain && at > 0 {
		r.before, _ = hashBefore(r.in, at) // if it cannot be read the next read says so
	}
}

// sameAsBefore looks whether it still stands there. A log that is copied and cut to nothing, and is longer than before when
// it is looked at again, was once read on from the middle.
func (r *reader) sameAsBefore(in *input.Input) error {
	if r.in == nil || r.before == 0 {
		return nil
	}
	at := r.offset()
	now, err := hashBefore(in, at)
	if err == nil && now != r.before {
		err = fmt.Errorf("was written anew: other bytes stand before byte %d, where reading had stopped", at)
	}
	return err
}

// hashBefore is the hash of the last bytes before one; it is not 0.
func hashBefore(in *input.Input, at int64) (uint64, error) {
	var room [lookBack]byte
	b := room[:min(at, lookBack)]
	if _, err := in.File.ReadAt(b, at-int64(len(b))); err != nil {
		return 0, fmt.Errorf("file: %w", err)
	}
	return max(1, xxh3.Hash(b)), nil
}
