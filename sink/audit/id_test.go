package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

func TestIDsSortByTimeAsBytesAndAsText(t *testing.T) {
	var ids []audit.ID
	for _, at := range []time.Duration{0, time.Millisecond, time.Second, time.Hour, 24 * time.Hour, 24 * 365 * 20 * time.Hour} {
		ids = append(ids, audit.NewID(noon.Add(at)))
		if got := ids[len(ids)-1].Time(); !got.Equal(noon.Add(at)) {
			t.Errorf("an ID of %s is of %s", noon.Add(at), got)
		}
	}
	if !slices.IsSortedFunc(ids, audit.ID.Compare) {
		t.Errorf("IDs of ascending times are not sorted: %v", ids)
	}
	if !slices.IsSortedFunc(ids, func(a, b audit.ID) int { return strings.Compare(a.String(), b.String()) }) {
		t.Errorf("as text they are not sorted: %v", ids)
	}
}

func TestAnIDIsReadAsItWasWritten(t *testing.T) {
	seen := map[audit.ID]bool{}
	for range 1000 {
		id := audit.NewID(noon)
		if seen[id] {
			t.Fatalf("two batches of a millisecond have the ID %s", id)
		}
		seen[id] = true
		got, err := audit.ParseID(id.String())
		if err != nil || got != id {
			t.Fatalf("%x is %s, read as %x, %v", id, id, got, err)
		}
	}
	known := audit.ID{0x01, 0x56, 0x3d, 0xf3, 0x64, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	if got := known.String(); got != "01aryz6s410000000000000001" { // the time of the example in the ULID specification
		t.Errorf("it is written as %s", got)
	}
}

func TestWhatIsNoIDIsRefused(t *testing.T) {
	id := audit.NewID(noon).String()
	for _, s := range []string{
		"", id[1:], id + "0", "8" + id[1:], strings.ToUpper(id[:25]) + "U", id[:25] + "u", id[:25] + "\x00", id[:24] + "é",
		"7zzzzzzzzz" + id[10:], // of the year 10889
	} {
		if got, err := audit.ParseID(s); err == nil {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}
