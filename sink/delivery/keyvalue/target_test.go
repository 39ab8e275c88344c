package keyvalue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/delivery/keyvalue"
)

// memory is a Store in memory.
type memory struct {
	mu   sync.Mutex
	puts map[string]keyvalue.Put
	most int // of one call
}

func (m *memory) PutNewer(ctx context.Context, puts []keyvalue.Put) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = max(m.most, len(puts))
	for _, p := range puts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if old, ok := m.puts[p.Key]; !ok || p.Version.Compare(old.Version) > 0 {
			p.Value = slices.Clone(p.Value)
			m.puts[p.Key] = p
		}
	}
	return nil
}

func (m *memory) ids() (ids []int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.puts {
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// byID puts rows under their IDs, and refuses those with a long note.
var byID = keyvalue.Flow[deliverytest.Row]{Name: deliverytest.Flow, Read: delivery.JSONLines[deliverytest.Row](), Put: func(row *deliverytest.Row, p *keyvalue.Put) error {
	if len(row.Note) > 100 {
		return errors.New("note is too long")
	}
	p.Key, p.Value = strconv.FormatInt(row.ID, 10), []byte(row.Note)
	return nil
}}

func TestATargetOfAStoreOfKeysConforms(t *testing.T) {
	deliverytest.Run(t, deliverytest.Config{Refuses: true, Decoded: true, Setup: func(*testing.T) deliverytest.Storage {
		m := &memory{puts: map[string]keyvalue.Put{}}
		return deliverytest.Storage{
			Open: func() (delivery.Target, error) { return keyvalue.New(m, byID, &keyvalue.Options{Batch: 3}) },
			Rows: m.ids,
		}
	}})
}

// load delivers what a job commits to a store under one key.
func load(t *testing.T, m *memory, flow keyvalue.Flow[deliverytest.Row], o *delivery.Options, rows ...[]deliverytest.Row) {
	t.Helper()
	job := deliverytest.NewJob(t, nil)
	for _, r := range rows {
		job.Commit(r...)
	}
	target, err := keyvalue.New(m, flow, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Poll = -1
	d, err := delivery.Open(deliverytest.Context(t.Context()), job.Store, deliverytest.Name, "kv", target, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(deliverytest.Context(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func TestTheNewestValueOfAKeyStays(t *testing.T) {
	rows := func(notes ...string) (list []deliverytest.Row) {
		for _, n := range notes {
			list = append(list, deliverytest.Row{ID: int64(len(n)), Note: n})
		}
		return list
	}
	one := byID
	one.Put = func(row *deliverytest.Row, p *keyvalue.Put) error {
		p.Key, p.Value = "k", []byte(row.Note)
		return nil
	}
	m := &memory{puts: map[string]keyvalue.Put{}}
	load(t, m, one, &delivery.Options{Parallel: 4}, rows("a", "b"), rows("c"), rows("d", "e", "last"))
	if got := m.puts["k"]; string(got.Value) != "last" || got.Version.N != 3 {
		t.Errorf("k is %q of version %v, want the last row of the last transaction", got.Value, got.Version)
	}
	one.Put = func(row *deliverytest.Row, p *keyvalue.Put) error {
		p.Key, p.Version.Row = "k", uint64(row.ID)
		if row.Note != "gone" {
			p.Value = []byte(row.Note)
		}
		return nil
	}
	m = &memory{puts: map[string]keyvalue.Put{}}
	load(t, m, one, &delivery.Options{}, rows("four"), rows("a", "longest of all"), rows("b"))
	if got := m.puts["k"]; string(got.Value) != "longest of all" {
		t.Errorf("k is %q, want the row with the greatest version of its own", got.Value)
	}
	m = &memory{puts: map[string]keyvalue.Put{}}
	load(t, m, one, &delivery.Options{}, rows("gone"), rows("a"))
	if got := m.puts["k"]; got.Value != nil {
		t.Errorf("k is %q, which an older row has brought back", got.Value)
	}
}

func TestVersionsCompareAsTheirTexts(t *testing.T) {
	numbers := []uint64{0, 1, 9, 10, 255, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64}
	var all []keyvalue.Version
	for _, a := range numbers {
		for _, b := range numbers {
			for _, c := range numbers {
				all = append(all, keyvalue.Version{Row: a, Unit: b, N: c})
			}
		}
	}
	for _, v := range all {
		for _, o := range all {
			if v.Compare(o) != strings.Compare(v.String(), o.String()) {
				t.Fatalf("%v beside %v: %d, but %d by their texts", v, o, v.Compare(o), strings.Compare(v.String(), o.String()))
			}
		}
	}
}

// A unit that is too large to be gathered is looked at as a whole before its first row is put.
func TestALargeUnitThatIsRefusedLeavesNothing(t *testing.T) {
	big := byID
	big.Put = func(row *deliverytest.Row, p *keyvalue.Put) error {
		if row.Note == "bad" {
			return errors.New("bad")
		}
		p.Key, p.Value = strconv.FormatInt(row.ID, 10), make([]byte, 1<<20)
		return nil
	}
	rows := deliverytest.Rows(1, 20)
	m := &memory{puts: map[string]keyvalue.Put{}}
	load(t, m, big, &delivery.Options{}, rows)
	if len(m.puts) != 20 {
		t.Errorf("%d keys, want 20", len(m.puts))
	}
	rows[19].Note = "bad"
	m = &memory{puts: map[string]keyvalue.Put{}}
	load(t, m, big, &delivery.Options{}, rows)
	if len(m.puts) != 0 {
		t.Errorf("%d keys of a unit that was refused", len(m.puts))
	}
}

func TestKeysAndValuesAreBounded(t *testing.T) {
	for what, change := range map[string]func(*keyvalue.Put){
		"no key":          func(p *keyvalue.Put) { p.Key = "" },
		"a long key":      func(p *keyvalue.Put) { p.Key = strings.Repeat("k", keyvalue.MaxKey+1) },
		"a long value":    func(p *keyvalue.Put) { p.Value = make([]byte, 1<<20+1) },
		"the longest key": func(p *keyvalue.Put) { p.Key = strings.Repeat("k", keyvalue.MaxKey) },
	} {
		flow := byID
		flow.Put = func(row *deliverytest.Row, p *keyvalue.Put) error {
			p.Key = fmt.Sprint(row.ID)
			change(p)
			return nil
		}
		m := &memory{puts: map[string]keyvalue.Put{}}
		load(t, m, flow, &delivery.Options{}, deliverytest.Rows(1, 2))
		if want := what == "the longest key"; (len(m.puts) > 0) != want {
			t.Errorf("%s: taken %v, want %v", what, !want, want)
		}
	}
	if _, err := keyvalue.New[deliverytest.Row](nil, keyvalue.Flow[deliverytest.Row]{}, &keyvalue.Options{Batch: -1}); err == nil {
		t.Error("a target without a store and a flow is taken")
	}
}

// One Close may end several hours. A row of the first of them once stayed in place of one of the second.
func TestOfHoursThatCloseTogetherTheLaterOneIsNewer(t *testing.T) {
	one := byID
	one.Put = func(row *deliverytest.Row, p *keyvalue.Put) error {
		p.Key, p.Value = "k", []byte(row.Note)
		return nil
	}
	m := &memory{puts: map[string]keyvalue.Put{}}
	target, err := keyvalue.New(m, one, nil)
	if err != nil {
		t.Fatal(err)
	}
	job := deliverytest.NewJob(t, nil)
	rows := deliverytest.Rows(1, 4)
	for i := range rows {
		rows[i].Note = "six"
	}
	rows[3].Note, rows[3].At = "seven", rows[3].At.Add(time.Hour)
	job.Commit(rows...)
	job.Seal(rows[3].At.Add(3 * time.Hour))
	d, err := delivery.Open(deliverytest.Context(t.Context()), job.Store, deliverytest.Name, "kv", target, &delivery.Options{Hourly: true, Poll: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(deliverytest.Context(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := m.puts["k"]; string(got.Value) != "seven" {
		t.Errorf("k is %q, want the row of the later hour", got.Value)
	}
}
