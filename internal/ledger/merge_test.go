package ledger

import (
	"testing"
	"time"
)

// A reader in another language looked for four records and found two: the length of packs was divided, and the rest of that
// forgotten.
func TestUnitsHaveAtMostTheirBytes(t *testing.T) {
	for bytes, want := range map[int64]int{0: 1, 100: 1, 101: 2, 200: 2, 201: 4, 400: 4, 401: 8, 1 << 60: MaxUnits} {
		units := Units(1, time.Time{}, "rows", bytes, 100)
		if len(units) != want {
			t.Errorf("%d bytes of packs have %d units of 100, want %d", bytes, len(units), want)
		}
		slots := 0
		for _, u := range units {
			if u.First != slots {
				t.Errorf("%d bytes of packs: a unit begins at slot %d, want %d", bytes, u.First, slots)
			}
			slots += u.Number
		}
		if slots != MaxUnits {
			t.Errorf("%d bytes of packs: the units have %d slots", bytes, slots)
		}
	}
	if n := len(Units(1, time.Time{}, "rows", 1<<60, 1<<62)); n != 1 {
		t.Errorf("a unit that is larger than all packs: %d units, want 1", n)
	}
}

func TestAMergeRecordIsOfItsUnitAlone(t *testing.T) {
	u := Unit{Close: 7, Hour: clock("10:00"), Flow: "rows", First: 64, Number: 64}
	m := &Merged{Unit: u, Token: token(1), Rows: 3, Files: []MergedFile{{Key: "a", Length: 1, Rows: 1}, {Key: "b", Length: 2, Rows: 2, Ref: []byte("r")}}}
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeMerged(u, body)
	if err != nil || got.Rows != 3 || len(got.Files) != 2 || string(got.Files[1].Ref) != "r" {
		t.Errorf("got %+v, %v", got, err)
	}
	other := u
	other.First = 128
	if _, err := DecodeMerged(other, body); err == nil {
		t.Error("the record of another unit is taken")
	}
	for what, spoil := range map[string]func(*Merged){
		"rows that are not there":       func(m *Merged) { m.Rows++ },
		"files that are not in order":   func(m *Merged) { m.Files[0].Key = "c" },
		"a file without rows":           func(m *Merged) { m.Files[0].Rows, m.Rows = 0, 2 },
		"slots that begin in a unit":    func(m *Merged) { m.First = 63 },
		"slots beyond the last":         func(m *Merged) { m.First = 256 },
		"a number of slots of no units": func(m *Merged) { m.Number = 48; m.First = 48 },
		"no close":                      func(m *Merged) { m.Close = 0 },
	} {
		bad := *m
		bad.Files = append([]MergedFile{}, m.Files...)
		spoil(&bad)
		if _, err := bad.Encode(); err == nil {
			t.Errorf("a record with %s is written", what)
		}
	}
}
