package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/sink"
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

// oddTimes runs a job over records with whatever times the bytes say, and reads its ledger again. It returns what became
// of them.
func oddTimes(t *testing.T, minutes int, opts stream.Options, records []byte) stream.Counts {
	t.Helper()
	log := streamtest.NewLog(2)
	n := len(records) / oddBytes
	for i := range n {
		r := records[i*oddBytes : (i+1)*oddBytes]
		log.Append(0, i%2, asTime(r[0], int64(binary.BigEndian.Uint64(r[2:]))), string(r))
	}
	log.EndAll()
	store := sinktest.NewMemory()
	hour := time.Duration(minutes) * time.Minute
	out, err := sink.Open(t.Context(), store, "odd", []sink.Flow[oddEvent]{{Name: "all", Format: sink.JSONLines[oddEvent]()}}, &sink.Options{Hour: hour})
	if err != nil {
		t.Fatal(err)
	}
	events := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (oddEvent, error) {
		return oddEvent{asTime(r.Value[1], int64(binary.BigEndian.Uint64(r.Value[10:]))), r.Value[1] >> 2}, nil
	}, (*oddEvent).when))
	events = stream.Via(events, join.Left((*oddEvent).pair, (*oddEvent).isLeft, (*oddEvent).merge, nil))
	opts.CommitEvery = time.Millisecond
	if err := stream.Run(t.Context(), events, out, &opts); err != nil {
		t.Fatalf("hours of %s, %d records %x: %v", hour, n, records, err)
	}
	s, err := sink.Inspect(t.Context(), store, "odd", nil)
	if err != nil {
		t.Fatalf("hours of %s, %d records %x: %v", hour, n, records, err)
	}
	if s.Read != int64(n) || s.Counts.Sum() != s.Read {
		t.Errorf("hours of %s, %d records %x: %d read, fates %v", hour, n, records, s.Read, s.Counts)
	}
	return s.Counts
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
		opts := stream.Options{Future: 1 << 62, Past: []time.Duration{-1, 0, math.MaxInt64}[seed%3]}
		all.Add(oddTimes(t, oddHours[r.IntN(len(oddHours))], opts, oddRecords(r, 1+r.IntN(60))))
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
		opts := stream.Options{Future: 1 << 62, Past: []time.Duration{-1, 0, math.MaxInt64}[how%3]}
		oddTimes(t, oddHours[int(how/3)%len(oddHours)], opts, records)
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
		out, err := sink.Open(t.Context(), store, "odd", []sink.Flow[int]{{Name: "all", Format: sink.JSONLines[int]()}}, nil)
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
