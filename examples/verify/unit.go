package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/packs"
)

// unit is a range of slots of an hour and flow whose packs are merged together.
type unit struct {
	place        *place
	close        *closing
	hour         time.Time
	flow         string
	first, slots int

	record *record // nil if it is not merged yet
	files  []*file // of the record
}

// unitsOf are the units of an hour and flow whose packs are so long together.
func unitsOf(p *place, c *closing, hour time.Time, flow string, length int64) (list []*unit) {
	n := 1
	for n < 256 && length > int64(n)*c.close.Merge.UnitBytes {
		n *= 2
	}
	for i := range n {
		list = append(list, &unit{place: p, close: c, hour: hour, flow: flow, first: i * 256 / n, slots: 256 / n})
	}
	return list
}

// name is that of the unit's record below the folder of genesis.
func (u *unit) name() string {
	return fmt.Sprintf("merges/%020d/%s-%s-%02x-%d", u.close.id, packHour(u.hour), u.flow, u.first, u.slots)
}

func (u *unit) key() string { return u.place.root + u.name() }

// owner is that of all that is staged for the unit.
func (u *unit) owner() string {
	folder, name := sha256.Sum256([]byte(u.place.root)), sha256.Sum256([]byte(u.name()))
	return "m" + hex.EncodeToString(folder[:])[:16] + hex.EncodeToString(name[:])[:24]
}

// load reads the unit's record. There may be none yet unless it must be there.
func (u *unit) load(ctx context.Context, must bool) error {
	r := new(record)
	_, err := control(ctx, u.place.b, u.key(), maxRecord, r)
	if errors.Is(err, errNewer) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		u.place.expect(!must, u.key(), "it is missing, and its hour is sealed or has its manifest")
		return nil
	}
	if !u.place.expect(err == nil, u.key(), "%v", err) {
		return nil
	}
	u.check(r)
	u.record, u.files = r, nil
	for _, f := range r.Files {
		u.files = append(u.files, &file{Flow: u.flow, Hour: u.hour, Key: f.Key, Length: f.Length, Rows: f.Rows, CRC32C: f.CRC32C, Ref: f.Ref})
	}
	return nil
}

// mergedName is the name of a merged file.
var mergedName = regexp.MustCompile(`^([a-z0-9]+)-([0-9a-f]+)-(\d+)(\.[^/]*)?$`)

func (u *unit) check(r *record) {
	p, what := u.place, u.key()
	p.expect(r.header.is(true), what, "format %d, min_reader %d", r.Format, r.MinReader)
	p.expect(r.Close == u.close.id && r.Hour.Equal(u.hour) && r.Flow == u.flow && r.First == u.first && r.Slots == u.slots, what,
		"it is of entry %d, hour %s, flow %q and %d slots from %d on", r.Close, r.Hour, r.Flow, r.Slots, r.First)
	p.expect(isToken(r.Token), what, "token %q", r.Token)
	var rows int64
	numbers, merges := map[int]bool{}, map[string]bool{}
	for i, f := range r.Files {
		rows += f.Rows
		p.expect(i == 0 || r.Files[i-1].Key < f.Key, what, "its files are not in order")
		p.expect(f.Length > 0 && f.Rows > 0, what, "%s: %d rows in %d bytes", f.Key, f.Rows, f.Length)
		p.checkFolder(what, &file{Flow: u.flow, Hour: u.hour, Key: f.Key})
		path, name := u.split(f.Key)
		slot := packs.SlotOf(path)
		p.expect(slot >= u.first && slot < u.first+u.slots, what, "%s has the rows of slot %d", f.Key, slot)
		if m := mergedName.FindStringSubmatch(name); p.expect(m != nil && m[1] == u.owner(), what, "%s has not the owner %s of the unit", f.Key, u.owner()) {
			n, err := strconv.Atoi(m[3])
			p.expect(err == nil && !numbers[n], what, "%s has the number of another file", f.Key)
			numbers[n], merges[m[2]] = true, true
		}
	}
	p.expect(len(merges) < 2, what, "its files are of %d merges", len(merges))
	p.expect(rows == r.Rows, what, "it has %d rows, and its files have %d", r.Rows, rows)
}

// split takes the key of a data file apart, into its key path and its name.
func (u *unit) split(key string) (path, name string) {
	rest := strings.TrimPrefix(key, u.place.prefix+u.flow+"/"+u.place.hourFolder(u.hour))
	i := strings.LastIndexByte(rest, '/') + 1
	return rest[:i], rest[i:]
}

// inOrder are the files of each key path, in the order in which they were made.
func (u *unit) inOrder() map[string][]*file {
	byPath := map[string][]*file{}
	number := map[*file]int{}
	for _, f := range u.files {
		path, name := u.split(f.Key)
		if m := mergedName.FindStringSubmatch(name); m != nil {
			number[f], _ = strconv.Atoi(m[3]) // 0 was reported
		}
		byPath[path] = append(byPath[path], f)
	}
	for _, list := range byPath {
		slices.SortFunc(list, func(a, b *file) int { return number[a] - number[b] })
	}
	return byPath
}
