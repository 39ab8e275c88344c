package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// check refuses entries that no correct author writes. It needs no state.
func (e *Entry) check() error {
	errs := []error{
		checkVersion(e.Format, e.MinReader), checkHash("prev", e.Prev), checkToken(e.Token), checkUTC("sealed", e.Sealed),
		checkUTC("sealed_at", e.SealedAt), e.checkPublished(), checkBy(e.By),
	}
	if e.ID == 0 {
		errs = append(errs, errors.New("entry 0"))
	}
	if e.Detached() == nil {
		errs = append(errs, e.checkFormat())
	}
	if !e.SealedAt.IsZero() && e.Sealed.IsZero() {
		errs = append(errs, errors.New("a time of sealing without seals"))
	}
	has := map[Kind]bool{
		KindConfig: e.Config != nil, KindCommit: e.Commit != nil, KindClose: e.Close != nil, KindRetire: e.Retire != nil,
		KindForget: e.Forget != nil,
	}
	for kind, set := range has {
		if set != (kind == e.Kind) {
			errs = append(errs, fmt.Errorf("kind %q with or without the part %q", e.Kind, kind))
		}
	}
	switch e.Kind {
	case KindConfig, KindCommit, KindClose, KindRetire, KindForget:
	case KindMark:
		if len(e.Published) == 0 && e.Sealed.IsZero() {
			errs = append(errs, errors.New("a mark that marks nothing"))
		}
	default:
		errs = append(errs, fmt.Errorf("kind %q cannot be written", e.Kind))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	switch e.Kind {
	case KindConfig:
		return e.Config.check()
	case KindCommit:
		return e.Commit.check()
	case KindClose:
		return e.Close.check()
	case KindRetire:
		return e.Retire.check()
	case KindForget:
		return e.Forget.check()
	}
	return nil
}

func (c *Config) check() error {
	for i, l := range c.Logs {
		if err := checkName("log", l.Source); err != nil {
			return err
		}
		if l.Partitions < 1 || i > 0 && c.Logs[i-1].compare(l) >= 0 {
			return fmt.Errorf("log %q of %d partitions, or logs are not in order", l.Source, l.Partitions)
		}
	}
	for i, s := range c.Sources {
		name, id := sourcename.Split(s)
		if name == "" || i > 0 && sourceName(c.Sources[i-1]) >= name {
			return fmt.Errorf("source %q has no name, or sources are not in order", s)
		}
		if err := checkName("source", id); err != nil {
			return err
		}
	}
	return checkSorted("topics", c.Topics)
}

func (e *Entry) checkPublished() error {
	if len(e.Published) > MaxPublished {
		return fmt.Errorf("%d published marks, at most %d are allowed", len(e.Published), MaxPublished)
	}
	for i, id := range e.Published {
		if id == 0 || id >= e.ID || i > 0 && id <= e.Published[i-1] {
			return fmt.Errorf("published mark %d of entry %d is not ascending or not before it", id, e.ID)
		}
	}
	return nil
}

func (c *Commit) check() error {
	if c.BodyBlob != nil && len(c.Lanes) == 0 {
		if len(c.Hours) > 0 {
			return errors.New("hours beside a body blob")
		}
	} else if err := c.checkBody(); err != nil {
		return err
	}
	return errors.Join(checkBlob(c.BodyBlob), checkBlob(c.FilesBlob), checkFiles(c.Files))
}

// checkFormat compares the version with what e says. That must be whole: see Detached.
func (e *Entry) checkFormat() error {
	if v := versionOf(e.hasPacks()); e.Format <= PackFormat && (v != blobHeader{e.Format, e.MinReader}) {
		return fmt.Errorf("format %d and minimum reader %d, with what it says they are %d and %d", e.Format, e.MinReader, v.Format, v.MinReader)
	}
	return nil
}

func (c *Commit) checkBody() error {
	if len(c.Lanes) == 0 {
		return errors.New("a commit that touches no lane")
	}
	var counts record.Counts
	for i := range c.Lanes {
		l := &c.Lanes[i]
		if i > 0 && l.Lane <= c.Lanes[i-1].Lane {
			return errors.New("lanes are not in order")
		}
		if err := errors.Join(checkName("lane", l.Lane), checkToken(l.Token)); err != nil {
			return err
		}
		for k := range l.Partitions {
			p := &l.Partitions[k]
			if k > 0 && l.Partitions[k-1].Partition.Compare(p.Partition) >= 0 {
				return errors.New("partitions are not in order")
			}
			if err := p.check(); err != nil {
				return fmt.Errorf("partition %s: %w", p.Partition, err)
			}
			counts.Add(p.Counts)
		}
	}
	if err := checkReasons(c.Reasons, counts); err != nil {
		return err
	}
	if err := checkLateDropped(c.LateDropped); err != nil {
		return err
	}
	for i, h := range c.Hours {
		if i > 0 && !c.Hours[i-1].Hour.Before(h.Hour) {
			return errors.New("hours are not in order")
		}
		if h.Hour.IsZero() || h.Files < 1 || h.Rows < 0 || h.Bytes < 0 || h.Packs < 0 || h.Packs > h.Files {
			return fmt.Errorf("hour %s with %d files, %d of them packs, %d rows, %d bytes", h.Hour, h.Files, h.Packs, h.Rows, h.Bytes)
		}
		if err := checkUTC("hour", h.Hour); err != nil {
			return err
		}
	}
	if c.FilesBlob != nil && len(c.Files) == 0 {
		return nil
	}
	if !slices.EqualFunc(c.Hours, SumHours(c.Files), HourSum.equal) {
		return errors.New("hours are not the sum of the files")
	}
	return nil
}

func (h HourSum) equal(o HourSum) bool {
	return h.Hour.Equal(o.Hour) && h.Files == o.Files && h.Rows == o.Rows && h.Bytes == o.Bytes && h.Packs == o.Packs
}

func sortHours(hours []HourSum) {
	slices.SortFunc(hours, func(a, b HourSum) int { return a.Hour.Compare(b.Hour) })
}

func (p *PartitionCommit) check() error {
	pr := &p.Progress
	if err := checkPartition(p.Partition); err != nil {
		return err
	}
	if strings.ContainsFunc(pr.Mark, func(c rune) bool { return c < ' ' || c > '~' }) || len(pr.Mark) > driver.MaxMark {
		return fmt.Errorf("mark %q is longer than %d bytes or not printable", pr.Mark, driver.MaxMark)
	}
	for i, c := range pr.Children {
		if err := checkPartition(c); err != nil {
			return fmt.Errorf("child: %w", err)
		}
		if i > 0 && pr.Children[i-1].Compare(c) >= 0 {
			return errors.New("children are not in order")
		}
	}
	if len(pr.Children) > 0 && !pr.Ended {
		return errors.New("children of a partition that has not ended")
	}
	if pr.Jump.Records > 0 && pr.Ended {
		return errors.New("a jump of a partition that has ended")
	}
	if p.Read < 0 || slices.Min(p.Counts[:]) < 0 {
		return fmt.Errorf("negative counts: read %d, %v", p.Read, p.Counts)
	}
	if p.PendingLen == 0 && !pr.PendingTime.IsZero() { // the other way round is possible: event times not known yet
		return fmt.Errorf("%d pending records, the oldest of %s", p.PendingLen, pr.PendingTime)
	}
	return errors.Join(checkPosition(pr.UpTo), p.checkPending(), checkBlob(p.PendingBlob), checkJump(&pr.Jump),
		checkYear(pr.PendingTime), checkYear(pr.MaxEventTime), checkYear(pr.Watermark), checkYear(pr.Arrived))
}

func checkJump(j *driver.Jump) error {
	if j.Records < 0 || (j.Records == 0) != j.To.IsZero() || j.Newest.Before(j.To) {
		return fmt.Errorf("a jump to %s, the newest %s, by %d records", j.To, j.Newest, j.Records)
	}
	return errors.Join(checkYear(j.To), checkYear(j.Newest))
}

// checkPending checks that pending positions are at or below UpTo and as many as the entry says.
func (p *PartitionCommit) checkPending() error {
	h, upTo := p.Progress.Pending, p.Progress.UpTo
	if p.PendingBefore < 0 || p.PendingBefore > MaxPendingBefore || p.PendingBefore > 0 && p.PendingBlob == nil {
		return fmt.Errorf("a pending set that builds on %d blobs", p.PendingBefore)
	}
	if h.Len() == 0 {
		if (p.PendingLen > 0) != (p.PendingBlob != nil) || p.PendingLen < 0 || !h.First.IsZero() || h.Through != 0 {
			return fmt.Errorf("%d pending records without a set, or a set without records", p.PendingLen)
		}
		return nil
	}
	if h.Len() != p.PendingLen {
		return fmt.Errorf("%d pending records, but the set has %d", p.PendingLen, h.Len())
	}
	if err := checkPending(h); err != nil {
		return err
	}
	if h.First.Compare(upTo) > 0 {
		return fmt.Errorf("%s is pending and above %s", h.First, upTo)
	}
	if upTo.Seq == "" {
		if n := uint64(upTo.Sub-h.First.Sub) + 1; h.Through != n {
			return fmt.Errorf("pending set from %s to %s ends at ordinal %d", h.First, upTo, h.Through)
		}
	}
	return nil
}

func (c *Close) check() error {
	if !c.From.Before(c.Through) || c.Lateness < 0 || c.Listed < 0 || c.EmptyHours < -1 {
		return fmt.Errorf("close from %s through %s, lateness %s, %d empty hours, %d listed", c.From, c.Through, c.Lateness, c.EmptyHours, c.Listed)
	}
	if m := c.Merge; m != nil && (m.FileBytes < 1 || m.UnitBytes < 1) {
		return fmt.Errorf("merge to files of %d bytes, in units of %d bytes", m.FileBytes, m.UnitBytes)
	}
	return errors.Join(checkUTC("from", c.From), checkUTC("through", c.Through), checkUTC("at", c.At),
		checkHash("listed_hash", c.ListedHash), checkSorted("flows", c.Flows), checkName("seal", c.Seal))
}

func (r *Retire) check() error {
	return errors.Join(checkName("lane", r.Lane), checkToken(r.Token), checkPartition(r.Partition), checkName("reason", r.Reason))
}

func checkFiles(files []File) error {
	for i := range files {
		f := &files[i]
		switch f.Kind {
		case DataFile, LateFile, DeadFile, NoteFile, PackFile:
		default:
			return fmt.Errorf("file kind %q", f.Kind)
		}
		if i > 0 && cmp.Or(cmp.Compare(files[i-1].Key, f.Key), cmp.Compare(files[i-1].Offset, f.Offset)) >= 0 {
			return errors.New("files are not in order")
		}
		if f.Hour.IsZero() || f.Offset < 0 || f.Length < 0 || f.Rows < 0 {
			return fmt.Errorf("file %q: hour %s, offset %d, length %d, rows %d", f.Key, f.Hour, f.Offset, f.Length, f.Rows)
		}
		if c := f.Contents; (c != nil) != (f.Kind == PackFile) || c != nil && (c.Offset < 0 || c.Length < 1 || c.Length > MaxContents || c.Offset > f.Length-c.Length) {
			return fmt.Errorf("file %q of kind %q with the contents %v", f.Key, f.Kind, c)
		}
		if err := errors.Join(checkName("flow", f.Flow), checkName("key", f.Key), checkUTC("hour", f.Hour)); err != nil {
			return err
		}
	}
	return nil
}

func checkVersion(format, minReader int) error {
	if format < 1 || minReader < 1 || minReader > format {
		return fmt.Errorf("format %d, minimum reader %d", format, minReader)
	}
	return nil
}

// checkName refuses names that JSON would change, so that two names never become one.
func checkName(what, s string) error {
	if s == "" || !utf8.ValidString(s) {
		return fmt.Errorf("%s %q is empty or not UTF-8", what, s)
	}
	return nil
}

// MostBy bounds the name of an author, in bytes.
const MostBy = 128

func checkBy(s string) error {
	if len(s) > MostBy || !utf8.ValidString(s) {
		return fmt.Errorf("the author %.200q has more than %d bytes or is not UTF-8", s, MostBy)
	}
	return nil
}

func checkPartition(p record.Partition) error {
	if !utf8.ValidString(p.Epoch) {
		return fmt.Errorf("partition %s is not UTF-8", p)
	}
	return errors.Join(checkName("source", p.Source), checkName("partition", p.ID))
}

func checkSorted(what string, list []string) error {
	if len(list) == 0 {
		return fmt.Errorf("no %s", what)
	}
	for i, s := range list {
		if err := checkName(what, s); err != nil {
			return err
		}
		if i > 0 && s <= list[i-1] {
			return fmt.Errorf("%s are not in order", what)
		}
	}
	return nil
}

func checkBlob(b *Blob) error {
	if b == nil {
		return nil
	}
	if b.Bytes < 1 || b.Bytes > MaxBlob || b.At < 0 {
		return fmt.Errorf("blob %q of %d bytes, set %d", b.Key, b.Bytes, b.At)
	}
	return errors.Join(checkName("blob", b.Key), checkHash("blob", b.SHA256))
}

func checkToken(t Token) error {
	if !isHex(string(t), 32) {
		return fmt.Errorf("token %q is not 128 bits in hex", t)
	}
	return nil
}

func checkHash(what string, h Hash) error {
	if !isHex(string(h), 64) {
		return fmt.Errorf("%s %q is not a SHA-256 in hex", what, h)
	}
	return nil
}

func isHex(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }

func checkUTC(what string, t time.Time) error {
	if t.Location() != time.UTC {
		return fmt.Errorf("%s %s is not UTC", what, t)
	}
	return checkYear(t)
}

// checkYear refuses what RFC 3339 cannot say.
func checkYear(t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return fmt.Errorf("year %d", y)
	}
	return nil
}
