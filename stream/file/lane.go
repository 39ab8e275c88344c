package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file/internal/input"
	"github.com/onceflow/onceflow/stream/record"
)

// lane is one file.
type lane struct {
	src  *Source
	name string
	file listed            // as the last look found it
	part *record.Partition // shared with records, so it never changes
	from driver.Progress

	group *group // nil if it is a lane of its own

	state   state
	warm    bool // a first pass, for the warm-up, is to do or under way
	pending bool // in a group: a pass for the pending records alone is to do or under way
	idle    bool // the warm-up has nothing to read
	gone    bool // in a group: another file has its name
	paused  bool
	open    bool
	over    bool    // that it has ended is committed
	r       *reader // nil until the file was opened for this start
	known   bool    // the file begins with what was read in the last run
	sound   bool    // the file was read through and its checksum is right, or it has none
}

type state uint8

const (
	assigned state = iota // waits for Start
	ready                 // has something to read
	waiting               // for the file to grow
	ended                 // nothing will come
)

// start begins the lane at p.
func (l *lane) start(p driver.Progress, warm bool) {
	l.close()
	l.src.ends.unmark(l)
	l.from, l.warm, l.pending, l.idle, l.r, l.state = p, warm, false, false, nil, ready
	if p.Ended && p.Pending.Len() == 0 && !warm && l.unchanged() {
		l.state = ended
	}
}

// unchanged says that the file is as it was when it was read to its end, so that it need not be searched for lines that were
// added since.
func (l *lane) unchanged() bool { return l.from.Arrived.Equal(l.file.info.ModTime()) }

// read gives the next batch; nil if there is none for now.
func (l *lane) read(ctx context.Context) (*driver.Batch, error) {
	if err := l.openFile(); err != nil {
		return nil, err
	}
	if l.idle {
		return &driver.Batch{Lane: l.name, Warm: true, WarmDone: l.endPass()}, nil
	}
	c := l.src.chunks.get(l.r.left())
	err := l.check(ctx, c.buf)
	if err == nil {
		err = l.recognise(ctx, c.buf)
	}
	if err == nil {
		err = l.r.read(ctx, c)
	}
	b := c.batch(l.name)
	b.Warm = l.warm
	switch {
	case err == nil:
		return b, nil
	case !errors.Is(err, errEnd):
	case l.warm:
		b.WarmDone = l.endPass()
		return b, nil
	case l.pending:
		l.endPass()
		if len(b.Records) > 0 {
			return b, nil
		}
		err = nil
	default:
		err = l.atEnd(b)
	}
	if err == nil && len(b.Records)+len(b.Unreadable)+len(b.Ended) > 0 {
		return b, nil
	}
	b.Release()
	return nil, err
}

// giveUp ends a file that cannot be read on, and says why by a dead letter in the place of its next line. What a stage holds of
// it cannot be done without.
func (l *lane) giveUp(why error) (*driver.Batch, error) {
	switch {
	case l.from.Pending.Len() > 0:
		return nil, why
	case l.warm:
		return &driver.Batch{Lane: l.name, Warm: true, WarmDone: l.endPass()}, nil
	}
	l.src.opts.Logger.Error("the rest of a file is left out", "file", l.file.path, "error", why)
	at := l.from.UpTo.Sub
	if l.r != nil {
		at = l.r.last
	}
	l.close()
	l.state = ended
	rec := record.Record{Partition: l.part, Position: record.Position{Sub: at + 1}, Time: l.file.info.ModTime().UTC()}
	return &driver.Batch{
		Lane: l.name, Ended: []driver.Ended{{Partition: *l.part}},
		Unreadable: []driver.DeadLetter{{Record: rec, Stage: "file", Read: time.Now().UTC(), Err: why}},
	}, nil
}

// check reads a compressed file through before the first record is taken from it, since its checksum is at its end: a
// flipped bit may give other lines long before it is noticed. What is left of a file that was cut short is sound.
func (l *lane) check(ctx context.Context, buf []byte) error {
	in := l.r.in
	if l.sound || in.Kind == input.Plain || l.src.opts.Unchecked || l.from.UpTo.Sub > 0 && l.unchanged() {
		return nil
	}
	for err := error(nil); err == nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err = in.Read(buf[:cap(buf)]); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	l.sound = true
	return in.Rewind()
}

// recognise reads what was read in the last run before a record of it is given again, since it may be another file's. If
// nothing of it is wanted, the reader finds out on its way.
func (l *lane) recognise(ctx context.Context, buf []byte) error {
	want := l.r.trace.want
	if l.known || want.n == 0 || l.r.trace.n > 0 || l.from.Pending.Len() == 0 && !l.warm || l.unchanged() {
		return nil
	}
	in, t := l.r.in, trace{want: want}
	for t.want.n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(buf[:cap(buf)])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		b := buf[:n]
		if in.Offset() == int64(n) {
			b = bytes.TrimPrefix(b, byteOrderMark)
		}
		if wrong := t.check(b); wrong != nil || err != nil {
			if wrong = cmp.Or(wrong, t.end()); wrong == nil {
				break
			}
			l.r.replaced(wrong)
			return l.r.failed
		}
		t.add(b)
	}
	l.known = true
	if in.Kind == input.Plain {
		return in.Resume(0)
	}
	return in.Rewind()
}

// openFile makes sure that the file is open and is the one that the lane is about.
func (l *lane) openFile() error {
	if l.open || l.idle {
		return nil
	}
	in, err := input.Open(l.file.path, l.src.files.decoders)
	if err == nil && l.gone {
		in.Close()
		err = os.ErrNotExist
	}
	if errors.Is(err, os.ErrNotExist) {
		if l.warm && l.from.Ended && !l.pending { // see Options.Lane
			l.idle = true
			return nil
		}
		return l.lost("is gone")
	}
	if err != nil {
		return err
	}
	if err := l.verify(in); err != nil {
		in.Close()
		return err
	}
	if l.r != nil && !os.SameFile(in.Info, l.r.in.Info) {
		// A copy took its place, as editors do: find the line by its number.
		l.from = driver.Progress{UpTo: record.Position{Sub: l.r.last}, Mark: l.r.trace.mark().String()}
		l.r = nil
	}
	if l.r == nil {
		l.r = newReader(l.part, l.src.files.rules, l.src.opts.MaxLine, l.src.files.grows(in.Kind), l.plan(), newTrace(l.from), l.src.opts.Logger)
	}
	if err := l.r.sameAsBefore(in); err != nil {
		in.Close()
		return l.lost("%v", err)
	}
	l.open = true
	l.src.open = append(l.src.open, l)
	return l.r.open(in)
}

// verify looks again at the first line if the file is not as the last look found it.
func (l *lane) verify(in *input.Input) error {
	old := l.file.info
	if asBefore(old, in.Info) {
		return nil
	}
	now := listed{id: l.file.id, path: l.file.path}
	if err := l.src.files.identify(&now); err != nil {
		return err
	}
	if now.part != *l.part {
		return l.lost("has another first line now")
	}
	if l.r != nil && l.r.grows && os.SameFile(now.info, l.r.in.Info) && now.info.Size() < l.r.offset() {
		return l.lost("was cut to %d bytes, %d were read", now.info.Size(), l.r.offset())
	}
	l.file, l.sound, l.known = now, false, false
	return nil
}

func (l *lane) plan() plan {
	p := newPlan(l.from)
	p.warm, p.check = l.warm, p.ended && !l.unchanged()
	if p.warm && p.ended && p.pending.Len() == 0 && l.group == nil {
		p.passed = true // nothing will come for which a state could be needed
	}
	if l.pending && !l.warm {
		p.ended, p.check = true, false // the rest has a pass of its own
	}
	return p
}

// close closes the lane's file. In a plain file the reader can go on after openFile.
func (l *lane) close() {
	if l.open {
		l.open = false
		l.r.leave()
		l.r.in.Close()
		l.src.open = slices.DeleteFunc(l.src.open, func(o *lane) bool { return o == l })
	}
}

// atEnd decides what the end of the file means.
func (l *lane) atEnd(b *driver.Batch) error {
	defer l.close()
	l.state = ended
	if l.from.Ended {
		return nil
	}
	in := l.r.in
	info, err := in.File.Stat()
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	if info.Size() < in.Size() {
		return l.lost("was cut to %d bytes, %d were read", info.Size(), in.Size())
	}
	if len(l.r.tail) == 0 {
		l.src.ends.mark(l)
	}
	if at := l.r.changed; len(l.r.tail) == 0 || !l.r.grows { // of a last line without its newline a part has come that is not read
		if info.Size() == in.Size() {
			at = info.ModTime().UTC()
		}
		b.Arrivals = []driver.Arrival{{Partition: *l.part, At: at}}
	}
	switch {
	case l.r.grows && info.Size() > in.Size():
		l.state = ready
	case l.r.grows && !l.complete(info):
		l.state = waiting
	default:
		b.Ended = []driver.Ended{{Partition: *l.part}}
	}
	return nil
}

// update compares the file with what a new look found, and wakes the lane if there may be something to read.
func (l *lane) update(f *listed) error {
	switch {
	case l.state == assigned || l.state == ended:
	case f == nil:
		return l.lost("is gone")
	case f.part != *l.part:
		return l.lost("has another first line now")
	case l.state == waiting && (f.info.Size() != l.r.in.Size() || !os.SameFile(f.info, l.r.in.Info)):
		l.state = ready
	case l.state == waiting && l.complete(f.info):
		l.state = ready // to find its end once more
	}
	return nil
}

// complete says that the user told that the file, which was read to its end, will not grow.
func (l *lane) complete(info os.FileInfo) bool {
	ask := l.src.opts.Complete
	return ask != nil && len(l.r.tail) == 0 && ask(l.file.id, info.ModTime())
}

func (l *lane) lost(format string, a ...any) error {
	last := l.from.UpTo.Sub
	if l.r != nil {
		last = l.r.last
	}
	return fmt.Errorf("file: %s (%s) %s; lines after %d may be lost: %w",
		l.file.path, l.part, fmt.Sprintf(format, a...), last, driver.ErrLost)
}
