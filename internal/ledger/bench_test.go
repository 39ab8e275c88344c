package ledger

import (
	"fmt"
	"testing"
	"time"
)

const manyPartitions = 5000

// wide is the state of a job of 5,000 partitions.
func wide(b *testing.B) *State {
	s := newState(b)
	for i := 0; i < manyPartitions; i += 100 {
		var lanes []LaneCommit
		for k := range 100 {
			lanes = append(lanes, lane(s, fmt.Sprintf("lane-%05d", i+k), 5, clock("10:00"), clock("09:45")).pending(clock("09:50"), 2, 4))
		}
		must(b, s, commit(lanes...))
	}
	return s
}

// usual is a commit of ten lanes and sixteen files.
func usual(b *testing.B, s *State) (*Entry, []byte) {
	var lanes []LaneCommit
	for k := range 10 {
		lanes = append(lanes, lane(s, fmt.Sprintf("lane-%05d", k), 9, clock("10:01"), clock("09:46")).pending(clock("09:51"), 7, 9))
	}
	e := commit(lanes...)
	for i := range 16 {
		e.files(day.Add(time.Duration(10+i) * time.Hour))
	}
	s.Prepare(e)
	body, err := e.Encode()
	if err != nil {
		b.Fatal(err)
	}
	return e, body
}

func BenchmarkFoldInto5000Partitions(b *testing.B) {
	s := wide(b)
	e, body := usual(b, s)
	hash := HashOf(body)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c := s.Clone()
		b.StartTimer()
		if err := c.Fold(e, hash); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEntry(b *testing.B) {
	e, body := usual(b, wide(b))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	e, body := usual(b, wide(b))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(e.ID, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeSnapshotOf5000Partitions(b *testing.B) {
	s := wide(b)
	b.ReportAllocs()
	for b.Loop() {
		body, err := s.Encode()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(body)))
	}
}

func BenchmarkDecodeSnapshotOf5000Partitions(b *testing.B) {
	s := wide(b)
	body, err := s.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeState(s.Genesis, s.GenesisHash, s.Last, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClockAndCloseDueOf5000Partitions(b *testing.B) {
	s := wide(b)
	b.ReportAllocs()
	for b.Loop() {
		s.Lanes.Clock()
		s.CloseDue(clock("23:00"), 0, s.Unpublished)
	}
}

func BenchmarkCloneOf5000Partitions(b *testing.B) {
	s := wide(b)
	b.ReportAllocs()
	for b.Loop() {
		s.Clone()
	}
}
