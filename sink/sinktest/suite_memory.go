package sinktest

import "hash/crc32"

const (
	loadBytes = 24 << 20
	mostLoad  = 8 << 20 // what a stream may have in memory
	mostMore  = 2 << 20 // what an upload may have in memory besides what Gathered says
)

// Contract: Gathered is what an upload has in memory. A job's budget counts on it: an upload that is silent about 100 MB takes
// the process down when there are fifty. The suite looks at the heap of a process that does nothing else, where memory of C
// is not to be seen.
func gatheredIsWhatIsInMemory(s *suite) {
	other := s.bench.process(s.T)
	defer other.Kill()
	for i, size := range []int64{1 << 20, loadBytes} { // the first loads what a client has for all
		got, err := other.Fill(s.Context(), s.dir+string(rune('a'+i)), s.owner, size)
		if err != nil {
			s.Fatalf("an upload of %d bytes: %v", size, err)
		}
		if i > 0 && got.Memory > mostMore {
			s.Errorf("Write: of a file of %d bytes the process has %d bytes in memory that Gathered does not count, at most %d are allowed", size, got.Memory, mostMore)
		}
		s.publish(s.a, got.Ref)
	}
}

// Contract: Open reads a stream: an object of any length goes through a bounded memory.
func openReadsAStream(s *suite) {
	body := sized(loadBytes)
	s.publish(s.a, s.staged(s.a, "f", body))
	other := s.bench.process(s.T)
	defer other.Kill()
	got, err := other.Drain(s.Context(), s.dir+"f")
	switch {
	case err != nil:
		s.Errorf("Open of %d bytes, read to the end: %v", len(body), err)
	case got.Bytes != int64(len(body)) || got.Sum != crc32.Checksum(body, castagnoli):
		s.Errorf("Open: got %d bytes, not the %d that were written", got.Bytes, len(body))
	case got.Memory > mostLoad:
		s.Errorf("Open: the process had %d bytes of an object of %d in memory, at most %d are allowed", got.Memory, len(body), mostLoad)
	}
}
