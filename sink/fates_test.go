package sink_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// What became of all records, and why, is the same in the status, in the sum of all manifests and in the lines about
// commits: drops by their labels, dead letters by their kinds, late rows by their flows, those in no file too.
func TestManifestsAndStatusCountTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := memory(noon.Add(9 * time.Hour))
		log := streamtest.NewLog(1)
		say := func(at, kind string) {
			log.Append(0, 0, noon, fmt.Sprintf(`{"Kind":%q,"Site":"a","At":"2025-05-01T%s:00Z"}`, kind, at))
		}
		hits := stream.Via(stream.From(log.Source(nil)), stream.Decode(parseHit, (*Hit).EventTime))
		hits = stream.Via(hits, stream.Filter("bot\x00", func(h *Hit) bool { return h.Kind != "bot" }))
		out, err := sink.Open(t.Context(), store, "job", []sink.Flow[Hit]{
			{Name: "kept", Where: (*Hit).IsView, Format: format.JSONLines[Hit]()},
			{Name: "lost", Where: (*Hit).IsView, Format: format.JSONLines[Hit](), Late: sink.LateDrop},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var lines bytes.Buffer
		var last stream.Status
		ended := make(chan error, 1)
		go func() {
			ended <- stream.Run(t.Context(), hits, seal.Hourly(out, nil), &stream.Options{
				CommitEvery: time.Second, Observe: func(s stream.Status) { last = s }, Logger: slog.New(slog.NewTextHandler(&lines, nil)),
			})
		}()
		say("12:00", "view")
		say("14:00", "view")
		time.Sleep(20 * time.Second) //nolint:forbidigo // virtual
		for _, kind := range []string{"view", "view", "bot", "bot", "click"} {
			say("12:30", kind)
		}
		log.Append(0, 0, noon, `{"Kind":`, `{"Kind":7}`, `{}`)
		time.Sleep(20 * time.Second) //nolint:forbidigo // virtual
		log.EndAll()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}

		counts, reasons, late := map[string]int64{}, map[string]int64{}, map[string]int64{}
		for m, err := range sink.Committed(t.Context(), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range m.Partitions {
				for fate, n := range p.Counts {
					counts[fate] += n
				}
			}
			for _, r := range m.Reasons {
				reasons[r.Fate+" "+r.Why] += r.Records
			}
			for _, f := range m.Files {
				if f.Kind == "late" {
					late[f.Flow] += f.Rows
				}
			}
			for flow, n := range m.LateDropped {
				late[flow] += n
			}
		}
		if want := map[string]int64{"written": 2, "late": 2, "filtered": 3, "dead": 3}; !maps.Equal(counts, want) {
			t.Errorf("manifests count %v, want %v", counts, want)
		}
		if want := map[string]int64{"kept": 2, "lost": 2}; !maps.Equal(late, want) || !maps.Equal(last.LateRows, want) {
			t.Errorf("late rows: %v in manifests, %v in the status, want %v", late, last.LateRows, want)
		}
		if reasons["filtered bot?"] != 2 || reasons["dead decode: event time"] != 1 || len(reasons) != 4 {
			t.Errorf("manifests have the reasons %v", reasons)
		}
		for r, n := range last.Reasons {
			if k := r.Fate.String() + " " + r.Why; reasons[k] != n {
				t.Errorf("the status has %d %s, the manifests %d", n, k, reasons[k])
			}
		}
		if len(last.Reasons) != len(reasons) {
			t.Errorf("the status has the reasons %v, the manifests %v", last.Reasons, reasons)
		}
		for f, n := range last.Counts {
			if name := record.Fate(f).String(); counts[name] != n {
				t.Errorf("the status has %d %s, the manifests %d", n, name, counts[name])
			}
		}
		all := strings.Split(lines.String(), "\n")
		for _, want := range []string{"msg=commit .* late=2 dead=3 .*late_rows=", `msg="late rows begin" .*behind=8h30m0s`, `msg="dead letters begin"`} {
			if !slices.ContainsFunc(all, matches(want)) {
				t.Errorf("no line %q in\n%s", want, &lines)
			}
		}
	})
}

// Rows of a record that cannot be written are no late rows.
func TestLateRowsOfABadRecordAreTakenBack(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	lost := rowsFlow("lost")
	lost.Late = sink.LateDrop
	broken := rowsFlow("broken")
	broken.Format = failing{}
	in := open(t, store, quarter, nil, lost, broken)
	in.acquire("a")
	in.seen("a", noon.Add(3*time.Hour))
	in.commit()
	if fates := in.write("a", noon, 1); fates[0] != record.Dead {
		t.Fatalf("the row is %s, so this tests nothing", fates[0])
	}
	told, err := in.txn.Commit(testContext(t), in.cut())
	if err != nil || len(told.LateRows) > 0 {
		t.Errorf("late rows %v and %v, want none", told.LateRows, err)
	}
}

// matches is a test of lines.
func matches(expr string) func(string) bool { return regexp.MustCompile(expr).MatchString }

// failing is a format that no row has a form in.
type failing struct{}

func (failing) Ext() string               { return ".x" }
func (failing) Open() format.Encoder[row] { return failing{} }
func (failing) Header(dst []byte) []byte  { return dst }
func (failing) Encode(dst []byte, _ *row) ([]byte, error) {
	return append(dst, 'x'), errors.New("no form")
}
