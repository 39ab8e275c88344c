package ledger

import (
	"bytes"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
)

// fuzzDecoder looks for input that makes a decoder panic, or that is read and is not its own encoding. The mutated line
// gets a right checksum, so that the fuzzer gets past it.
func fuzzDecoder(f *testing.F, decode func(t *testing.T, body []byte) (encoded []byte, ok bool), names ...string) {
	for _, o := range objects(f) {
		for _, n := range names {
			if o.name == n {
				f.Add(o.body[:len(o.body)-trailerLen])
			}
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		decode(t, line)
		body := append(bytes.Clone(line), trailerPrefix+string(HashOf(line))+"\n"...)
		again, ok := decode(t, body)
		if ok && !bytes.Equal(again, body) {
			t.Errorf("read, but written as\n%s", again)
		}
	})
}

// sameFormat reports whether the object says that it is of our format: newer ones that we may read are not written again.
func sameFormat(body []byte) bool { return bytes.HasPrefix(body, []byte(`{"format":1,`)) }

func FuzzDecodeEntry(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		for id := range uint64(8) {
			e, err := Decode(id, body)
			if err != nil {
				continue
			}
			again, err := e.Encode()
			if err != nil {
				t.Errorf("read and cannot be written: %v", err)
			}
			newState(t).Validate(e)
			return again, sameFormat(body)
		}
		return nil, false
	}, "config", "commit", "mark", "close", "retire", "commit-blobs")
}

func FuzzDecodeGenesis(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		g, err := DecodeGenesis(body)
		if err != nil {
			return nil, false
		}
		again, err := g.Encode()
		if err != nil {
			t.Errorf("read and cannot be written: %v", err)
		}
		return again, sameFormat(body)
	}, "genesis")
}

func FuzzDecodeOwner(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		o, err := DecodeOwner(body)
		if err != nil {
			return nil, false
		}
		again, err := o.Encode()
		if err != nil {
			t.Errorf("read and cannot be written: %v", err)
		}
		newState(t).Lanes.Sweepable(o)
		return again, sameFormat(body)
	}, "owner")
}

func FuzzDecodeFlowClaim(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		c, err := DecodeFlowClaim(body)
		if err != nil {
			return nil, false
		}
		again, err := c.Encode()
		if err != nil {
			t.Errorf("read and cannot be written: %v", err)
		}
		return again, sameFormat(body)
	}, "flow")
}

func FuzzDecodeState(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		empty := newState(t)
		s, err := DecodeState(empty.Genesis, empty.GenesisHash, 6, body)
		if err != nil {
			return nil, false
		}
		again, err := s.Encode()
		if err != nil {
			t.Errorf("read and cannot be written: %v", err)
		}
		s.Lanes.Clock()
		s.NextHour()
		s.CloseDue(clock("23:00"), 0, s.Unpublished)
		s.Lanes.Watermark("a", nil)
		return again, sameFormat(body)
	}, "snapshot")
}

func FuzzDecodeFiles(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		files, err := DecodeFiles(NewBlob("k", body), body)
		if err != nil {
			return nil, false
		}
		again, err := EncodeFiles(files)
		if err != nil {
			t.Errorf("read and cannot be written: %v", err)
		}
		return again, sameFormat(body)
	}, "blob-files")
}

func FuzzDecodePending(f *testing.F) {
	fuzzDecoder(f, func(t *testing.T, body []byte) ([]byte, bool) {
		sets, err := DecodePending(NewBlob("k", body), body)
		if err != nil {
			return nil, false
		}
		var pending driver.PendingSet
		for at := range sets.sets {
			if h, err := sets.Set(&Blob{At: at}, pending); err == nil {
				if err := checkPending(h); err != nil {
					t.Error(err)
				}
				pending = h
			}
		}
		return body, false
	}, "blob-pending")
}

func FuzzAttach(f *testing.F) {
	f.Add([]byte(`{"format":1,"min_reader":1,"lanes":[{"lane":"a","base":0,"token":"00000000000000000000000000000007"}]}` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		body := append(bytes.Clone(line), trailerPrefix+string(HashOf(line))+"\n"...)
		e := &Entry{Kind: KindCommit, Commit: &Commit{BodyBlob: NewBlob("k", body)}}
		if err := e.Attach(body); err == nil && e.Detached() != nil {
			t.Error("attached, and still missing")
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{EntryName(7), SnapshotName(64), ManifestName(9), "hours/2025-05-01T06.json", "hours/2025-05-01T0615.json", "blobs/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := ParseEntryName(s); ok && EntryName(n) != s {
			t.Errorf("%q is entry %d", s, n)
		}
		if n, ok := ParseSnapshotName(s); ok && SnapshotName(n) != s {
			t.Errorf("%q is snapshot %d", s, n)
		}
		if n, ok := ParseManifestName(s); ok && ManifestName(n) != s {
			t.Errorf("%q is manifest %d", s, n)
		}
	})
}
