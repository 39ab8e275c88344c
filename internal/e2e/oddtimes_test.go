package e2e

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// asTime reads a number as what people store times in: seconds, milliseconds, microseconds or nanoseconds.
func asTime(unit byte, n int64) time.Time {
	switch unit % 4 {
	case 0:
		return time.Unix(n, 0)
	case 1:
		return time.UnixMilli(n)
	case 2:
		return time.UnixMicro(n)
	}
	return time.Unix(0, n)
}

// oddEvent is a record of 26 bytes: two units, the record's own time and the event's.
type oddEvent struct {
	at  time.Time
	key byte
}

func (e *oddEvent) when() time.Time { return e.at }
func (e *oddEvent) pair() string    { return string(e.key % 4) }
func (e *oddEvent) isLeft() bool    { return e.key&4 == 0 }
func (e *oddEvent) merge(*oddEvent) {}

const oddBytes = 18

// oddJob is a job over records with whatever times the bytes say.
type oddJob struct {
	hour     time.Duration
	opts     stream.Options
	lateness time.Duration // of seals; negative: there are none
	empty    int64         // seal.Options.EmptyHours
	first    int           // records that a run reads that is stopped; the next one reads the rest
}

// oddJobOf takes the settings from a number.
func oddJobOf(how uint32) oddJob {
	pick := func(n int) int {
		i := int(how) % n
		how /= uint32(n)
		return i
	}
	j := oddJob{hour: time.Duration(oddHours[pick(len(oddHours))]) * time.Minute}
	j.opts = stream.Options{Future: 1 << 62, Past: []time.Duration{-1, 0, math.MaxInt64}[pick(3)]}
	j.lateness = []time.Duration{-1, 0, time.Second, 15 * time.Minute, 400 * 24 * time.Hour, math.MaxInt64}[pick(6)]
	j.empty = []int64{1, 30, 200}[pick(3)]
	j.first = []int{0, 0, 1, 17}[pick(4)]
	j.opts.Backfill = []time.Duration{0, 0, time.Second, time.Hour}[pick(4)]
	return j
}

// run reads the records and the job's ledger again, and returns what became of them.
func (j oddJob) run(t *testing.T, records []byte) (all stream.Counts) {
	t.Helper()
	n := len(records) / oddBytes
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog(2)
		store, begun := sinktest.NewMemory(), time.Now()
		store.Clock = func() time.Time { return time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC).Add(time.Since(begun)) }
		add := func(from, to int) {
			for i := from; i < to; i++ {
				r := records[i*oddBytes : (i+1)*oddBytes]
				log.Append(0, i%2, asTime(r[0], int64(binary.BigEndian.Uint64(r[2:]))), string(r))
			}
		}
		first := min(j.first, n)
		if add(0, first); first > 0 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			j.once(ctx, t, log, store, records)
		}
		add(first, n)
		log.EndAll()
		j.once(t.Context(), t, log, store, records)
		s, err := sink.Inspect(t.Context(), store, "odd", nil)
		if err != nil {
			t.Fatalf("%+v, %d records %x: %v", j, n, records, err)
		}
		if s.Read != int64(n) || s.Counts.Sum() != s.Read {
			t.Errorf("%+v, %d records %x: %d read, fates %v", j, n, records, s.Read, s.Counts)
		}
		all = s.Counts
	})
	return all
}

// once runs the job until the log ends, or ctx does.
func (j oddJob) once(ctx context.Context, t *testing.T, log *streamtest.Log, store *sinktest.Memory, records []byte) {
	t.Helper()
	files, err := sink.Open(ctx, store, "odd", []sink.Flow[oddEvent]{{Name: "all", Format: format.JSONLines[oddEvent]()}}, &sink.Options{Hour: j.hour})
	if err != nil {
		t.Fatal(err)
	}
	var out stream.Output[oddEvent] = files
	if j.lateness >= 0 {
		out = seal.Hourly(files, &seal.Options{Lateness: cmp.Or(j.lateness, -1), EmptyHours: j.empty})
	}
	events := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (oddEvent, error) {
		return oddEvent{asTime(r.Value[1], int64(binary.BigEndian.Uint64(r.Value[10:]))), r.Value[1] >> 2}, nil
	}, (*oddEvent).when))
	events = stream.Via(events, join.Left((*oddEvent).pair, (*oddEvent).isLeft, (*oddEvent).merge, nil))
	opts := j.opts
	opts.CommitEvery = time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(ctx, events, out, &opts) }()
	select {
	case err = <-ended:
	case <-time.After(24 * time.Hour): // of the bubble's clock
		t.Fatalf("%+v, %d records %x: the job does not end", j, len(records)/oddBytes, records)
	}
	if err != nil {
		t.Fatalf("%+v, %d records %x: %v", j, len(records)/oddBytes, records, err)
	}
}

// oddNumbers are borders of what calendars, ledgers and microseconds can say, as seconds; others are made of them.
var oddNumbers = []int64{
	0, 1, -1, math.MinInt64, math.MaxInt64, -62135596800, -62135596800 + 1800, -62135596800 + 86399, -62135596800 + 86400,
	253402300799, 253402300800, 253402128000, 253402127999, 1746082800, 1746082800_000, 1746082800_000_000, -9223372037, 9223372036,
	-2208988800, -6847804800, -11644473600,
}

func oddRecords(r *rand.Rand, n int) []byte {
	number := func(b []byte) []byte {
		switch r.IntN(4) {
		case 0:
			return binary.BigEndian.AppendUint64(b, r.Uint64())
		case 1:
			return binary.BigEndian.AppendUint64(b, r.Uint64()>>r.IntN(64))
		case 2:
			return binary.BigEndian.AppendUint64(b, 1746082800+r.Uint64N(60))
		}
		return binary.BigEndian.AppendUint64(b, uint64(oddNumbers[r.IntN(len(oddNumbers))]))
	}
	var b []byte
	for range n {
		b = append(b, byte(r.Uint32()), byte(r.Uint32()))
		if r.IntN(2) == 0 { // seconds
			b[len(b)-1] &^= 3
		}
		b = number(number(b))
	}
	return b
}

// An event in the first hour of year 1, a null date parsed in London, once stopped a job for ever with "entry is corrupt".
// So did the time of a record of a broker in microseconds, and of a file, in the year 57301, through Progress.Arrived.
func TestCommitsHoldWhateverTimesRecordsHave(t *testing.T) {
	var all stream.Counts
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		all.Add(oddJobOf(r.Uint32()).run(t, oddRecords(r, 1+r.IntN(60))))
	}
	if all[stream.Written] == 0 || all[stream.Merged] == 0 || all[stream.Dead] == 0 {
		t.Errorf("fates %v: some never came about", all)
	}
}

// oddHours are all lengths of hours, in minutes, that a genesis allows.
var oddHours = func() (all []int) {
	for m := 1; m <= 24*60; m++ {
		if 24*60%m == 0 {
			all = append(all, m)
		}
	}
	return all
}()

func FuzzTimesOfRecords(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 2))
		f.Add(r.Uint32(), oddRecords(r, 20))
	}
	f.Fuzz(func(t *testing.T, how uint32, records []byte) {
		records = records[:min(len(records), 100*oddBytes)]
		oddJobOf(how).run(t, records)
	})
}

var errOdd = errors.New("odd")

// Dead letters stand under the hour of reading, which is the machine's clock, and tell the record's own time.
func TestDeadLettersOfOddTimesAreWritten(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(math.MaxInt64, 0), time.UnixMicro(math.MaxInt64), time.Date(1, 1, 1, 0, 30, 0, 0, time.UTC)} {
		log := streamtest.NewLog(1)
		log.Append(0, 0, at, "a")
		log.EndAll()
		store := sinktest.NewMemory()
		out, err := sink.Open(t.Context(), store, "odd", []sink.Flow[int]{{Name: "all", Format: format.JSONLines[int]()}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		events := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(*stream.Record) (int, error) { return 0, errOdd }, nil))
		err = stream.Run(t.Context(), events, out, &stream.Options{Now: func() time.Time { return at }})
		if err != nil {
			t.Errorf("%s: %v", fmt.Sprint(at), err)
		}
	}
}
