package sink_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream/driver"
)

// Nobody could tell from a bucket which process had written a file or held a lane.
func TestEntriesAndOwnersNameTheInstance(t *testing.T) {
	const name = "etl-7d9f <1>"
	store, _ := memory(noon)
	out, err := sink.Open(testContext(t), store, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	job := driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 2, Instance: name}
	if err := out.Attach(testContext(t), job); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	entries, owners := 0, 0
	for o, err := range store.List(t.Context(), "_onceflow/job/", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := store.Read(t.Context(), o.Key, o.Size)
		if err != nil {
			t.Fatal(err)
		}
		var by string
		folder, last := o.Key[:strings.LastIndexByte(o.Key, '/')+1], o.Key[strings.LastIndexByte(o.Key, '/')+1:]
		switch {
		case strings.HasSuffix(folder, "/owners/"):
			owner, err := ledger.DecodeOwner(body)
			if err != nil {
				t.Fatal(err)
			}
			by = owner.By
			owners++
		case strings.HasSuffix(folder, "/e0001/s0000/"):
			id, err := strconv.ParseUint(last, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			e, err := ledger.Decode(id, body)
			if err != nil {
				t.Fatal(err)
			}
			by = e.By
			entries++
		default:
			continue
		}
		if by != name {
			t.Errorf("%s is by %q, want %q", o.Key, by, name)
		}
	}
	if entries < 2 || owners != 1 {
		t.Errorf("%d entries and %d owners, want the configuration, the commit and one owner", entries, owners)
	}
}
