package sink_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/record"
)

var quarter = &sink.SealOptions{Lateness: 15 * time.Minute}

func seals(t *testing.T, store sink.Store) (folders []string) {
	t.Helper()
	for _, key := range keys(t, store, "rows/") {
		if folder, ok := strings.CutSuffix(key, "/_SEALED"); ok {
			folders = append(folders, strings.TrimPrefix(folder, "rows/day=2025-05-01/"))
		}
	}
	return folders
}

func TestHourIsSealedOnceAllPartitionsHavePassedIt(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	none := rowsFlow("none")
	none.Where = func(*row) bool { return false }
	in := open(t, store, quarter, nil, rowsFlow("rows"), none)
	in.acquire("a", "b")
	in.write("a", noon.Add(10*time.Minute), 1)
	in.write("b", noon.Add(20*time.Minute), 2)
	in.commit()
	in.write("a", noon.Add(80*time.Minute), 3)
	in.commit()
	in.maintain("a", "b")
	if got := seals(t, store); len(got) != 0 {
		t.Errorf("lane b is at 12:20, and these are sealed: %s", got)
	}
	in.write("b", noon.Add(75*time.Minute-time.Nanosecond), 4)
	in.commit()
	in.maintain("a", "b")
	if got := seals(t, store); len(got) != 0 {
		t.Errorf("lane b has not passed 13:15, and these are sealed: %s", got)
	}
	in.write("b", noon.Add(75*time.Minute), 5)
	in.commit()
	up := in.maintain("a", "b")
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12"}) {
		t.Errorf("sealed %s, want hour=12", got)
	}
	if !up.Settled || up.ClosedHours != 1 || !up.EarliestHour.Equal(noon.Add(time.Hour)) {
		t.Errorf("upkeep %+v, want one closed hour and the next at 13:00", up)
	}
	if got := keys(t, store, "none/day=2025-05-01/hour=12/"); len(got) != 1 {
		t.Errorf("a flow without rows has %s, want one seal", got)
	}
}

func TestHourManifestListsAllFilesOfTheHour(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1, 2)
	in.commit()
	in.write("a", noon.Add(time.Minute), 3)
	in.write("a", noon.Add(2*time.Hour), 4)
	in.commit()
	in.maintain("a")
	body, err := store.Read(context.Background(), "_onceflow/job/e0001/hours/2025-05-01T12.json", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var m manifest.Hour
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 2 || m.Flows["rows"].Rows != 3 || !m.Hour.Equal(noon) || m.Read != 4 {
		t.Errorf("hour manifest %s\nwant 2 files with 3 rows, 4 records read", body)
	}
	if len(m.Partitions) != 1 || m.Partitions[0].UpTo != "4" {
		t.Errorf("partitions %+v, want one at 4", m.Partitions)
	}
}

// Each finished file once cost 239 bytes in every later hour's manifest.
func TestHourManifestLeavesOutWhatHasEnded(t *testing.T) {
	store, _ := memory(noon.Add(4 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a", "b")
	in.write("a", noon.Add(2*time.Hour), 1)
	in.write("b", noon, 2)
	in.end("b")
	in.commit()
	in.maintain("a", "b")
	m, err := sink.Sealed(context.Background(), store, "job", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Partitions) != 1 || m.Partitions[0].ID != "a" || m.Read != 2 {
		t.Errorf("partitions %+v, %d read, want a alone and 2 read", m.Partitions, m.Read)
	}
}

func TestRowOfAClosedHourIsLate(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	drop := rowsFlow("drop")
	drop.Late = sink.LateDrop
	in := open(t, store, quarter, nil, rowsFlow("rows"), drop)
	in.acquire("a")
	in.write("a", noon, 1)
	in.write("a", noon.Add(2*time.Hour), 2)
	fates := in.write("a", noon, 3)
	if fates[0] != record.Written {
		t.Errorf("a row of 12h is %s before the clock is committed, want written", fates[0])
	}
	in.commit()
	fates = in.write("a", noon.Add(59*time.Minute), 4)
	if fates[0] != record.Late {
		t.Errorf("a row of 12h is %s after watermark has reached 13:45, want late", fates[0])
	}
	if fates = in.write("a", noon.Add(time.Hour), 5); fates[0] != record.Written {
		t.Errorf("a row of 13h is %s while watermark is 13:45, want written: lateness is by hour", fates[0])
	}
	in.commit()
	in.maintain("a")
	if got := visible(t, store, "rows/day=2025-05-01/hour=12/"); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("rows of the sealed hour %v, want 1 and 3", got)
	}
	if got := visible(t, store, "late/"); !slices.Equal(got, []int{4}) {
		t.Errorf("late rows %v, want 4", got)
	}
	if got := keys(t, store, "late/drop/"); len(got) != 0 {
		t.Errorf("a flow that drops late rows has %s", got)
	}
}

func TestEmptyHoursAreSealedInOrder(t *testing.T) {
	store, _ := memory(noon.Add(9 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	in.write("a", noon.Add(4*time.Hour), 2)
	in.commit()
	in.maintain("a")
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12", "hour=13", "hour=14"}) {
		t.Errorf("sealed %s, want 12 to 14", got)
	}
}
