package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"testing"
	"time"
)

var id = [16]byte{1, 2, 3, 15: 9}

// encode writes a response as a broker does, without its size.
func encode(correlation int32, v int16, r *Response) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(correlation))
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Throttle.Milliseconds()))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Err))
	b = append(b, 0, 0, 0, 0, byte(len(r.Parts)+1))
	for _, p := range r.Parts { // each in a topic of its own
		if v >= 13 {
			b = append(b, p.TopicID[:]...)
		} else {
			b = compact(b, string(p.Name))
		}
		b = append(b, 2)
		b = binary.BigEndian.AppendUint32(b, uint32(p.ID))
		b = binary.BigEndian.AppendUint16(b, uint16(p.Err))
		for _, n := range []int64{p.HighWatermark, p.LastStable, p.LogStart} {
			b = binary.BigEndian.AppendUint64(b, uint64(n))
		}
		b = append(b, byte(len(p.Aborted)+1))
		for _, a := range p.Aborted {
			b = binary.BigEndian.AppendUint64(b, uint64(a.Producer))
			b = binary.BigEndian.AppendUint64(b, uint64(a.First))
			b = append(b, 0)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(p.Preferred))
		b = compact(b, string(p.Data))
		tags := byte(1)
		if p.Diverged {
			tags++
		}
		b = append(b, tags)
		if p.Diverged {
			b = append(b, 0, 13, 0, 0, 0, 5)
			b = binary.BigEndian.AppendUint64(b, uint64(p.DivergedEnd))
			b = append(b, 0)
		}
		b = append(b, 1, 9) // tag, size
		b = binary.BigEndian.AppendUint32(b, uint32(p.Leader))
		b = binary.BigEndian.AppendUint32(b, uint32(p.LeaderEpoch))
		b = append(b, 0, 0) // tags of the leader and of the topic
	}
	return append(b, 0)
}

func samples(v int16) *Response {
	r := &Response{Throttle: 5 * time.Millisecond, Parts: []Part{
		{ID: 3, HighWatermark: 10, LastStable: 9, LogStart: 1, Preferred: -1, Leader: -1, LeaderEpoch: -1, Data: []byte("data"),
			Aborted: []Aborted{{Producer: 7, First: 4}, {Producer: 8, First: 5}}},
		{ID: 4, Err: 6, HighWatermark: -1, LastStable: -1, LogStart: -1, Preferred: 2, Leader: 3, LeaderEpoch: 12},
		{ID: 5, HighWatermark: 1, LastStable: 1, Preferred: -1, Leader: -1, LeaderEpoch: -1, Diverged: true, DivergedEnd: 77},
	}}
	for i := range r.Parts {
		if v >= 13 {
			r.Parts[i].TopicID = id
		} else {
			r.Parts[i].Name = []byte("hits")
		}
	}
	return r
}

func TestAResponseIsReadWholeAndMemoryIsUsedAgain(t *testing.T) {
	for _, v := range []int16{12, 13} {
		var got Response
		for range 2 {
			if err := got.parse(encode(0, v, samples(v))[4:], v); err != nil {
				t.Fatalf("v%d: %v", v, err)
			}
			for i := range got.Parts { // nil and empty are the same here
				if len(got.Parts[i].Aborted) == 0 {
					got.Parts[i].Aborted = nil
				}
				if len(got.Parts[i].Data) == 0 {
					got.Parts[i].Data = nil
				}
			}
			if want := samples(v); !reflect.DeepEqual(&got, want) {
				t.Errorf("v%d: got %+v\nwant %+v", v, got, want)
			}
		}
	}
}

func TestEachCutOfAResponseIsMalformed(t *testing.T) {
	for _, v := range []int16{12, 13} {
		b := encode(0, v, samples(v))[4:]
		for i := range b {
			var r Response
			if err := r.parse(b[:i], v); !errors.Is(err, ErrMalformed) {
				t.Fatalf("v%d cut at %d: got %v", v, i, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range []int16{12, 13} {
		f.Add(encode(0, v, samples(v))[4:], v == 13)
	}
	f.Fuzz(func(t *testing.T, b []byte, byID bool) {
		v := int16(12)
		if byID {
			v = 13
		}
		var r Response
		if err := r.parse(b, v); err != nil {
			return
		}
		n := 0
		for _, p := range r.Parts {
			n += len(p.Data) + len(p.Aborted)*17
		}
		if n > len(b) {
			t.Fatalf("%d bytes came out of %d", n, len(b))
		}
		_, _ = versions(b)
	})
}

// broker answers ApiVersions with newest Fetch v, and then every request with answer.
func broker(t *testing.T, v int16, answer func(request []byte, correlation int32) []byte) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { _ = here.Close(); _ = there.Close() })
	go func() {
		for {
			var h [4]byte
			if _, err := io.ReadFull(there, h[:]); err != nil {
				return
			}
			b := make([]byte, size(h))
			if _, err := io.ReadFull(there, b); err != nil {
				return
			}
			correlation := int32(binary.BigEndian.Uint32(b[4:]))
			var out []byte
			if binary.BigEndian.Uint16(b) == keyAPIVersions {
				out = binary.BigEndian.AppendUint32(nil, uint32(correlation))
				out = append(out, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 9, 0, keyFetch, 0, 4, 0, byte(v))
			} else if out = answer(b, correlation); out == nil {
				continue
			}
			if _, err := there.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(out))), out...)); err != nil {
				return
			}
		}
	}()
	return here
}

func TestTheNewestVersionThatBothHaveIsSpoken(t *testing.T) {
	for have, want := range map[int16]int16{12: 12, 13: 13, 17: 13} {
		w, err := New(broker(t, have, nil), "me", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if w.Version() != want {
			t.Errorf("broker has v%d: got v%d, want v%d", have, w.Version(), want)
		}
	}
	if _, err := New(broker(t, 11, nil), "me", time.Second); err == nil {
		t.Error("a broker without v12 was accepted")
	}
}

func TestRequestsAreAnsweredInOrderAndTheBufferIsUsedAgain(t *testing.T) {
	var asked [][]byte
	w, err := New(broker(t, 13, func(b []byte, c int32) []byte {
		asked = append(asked, b)
		return encode(c, 13, samples(13))
	}), "me", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	q := &Request{MaxWait: time.Millisecond, MaxBytes: 1 << 20, Committed: true, Rack: "r1", Topics: []Topic{
		{Name: "hits", ID: id, Parts: []PartRequest{{ID: 3, Epoch: 4, Offset: 5, LastEpoch: -1, MaxBytes: 100}}},
	}}
	buf := make([]byte, 0, 4096)
	for range 3 {
		if err := w.Send(q); err != nil {
			t.Fatal(err)
		}
		var r Response
		got, err := w.Receive(q.MaxWait, &r, buf)
		if err != nil || len(r.Parts) != 3 {
			t.Fatalf("%d parts, error %v", len(r.Parts), err)
		}
		if &got[0] != &buf[:1][0] {
			t.Error("the buffer was not used")
		}
	}
	if !bytes.Contains(asked[0], id[:]) || bytes.Contains(asked[0], []byte("hits")) {
		t.Errorf("v13 must name the topic by its ID: %q", asked[0])
	}
}

func TestGarbageIsAnErrorAndNotAnAllocation(t *testing.T) {
	for name, out := range map[string][]byte{
		"an alert of TLS":       {0x15, 3, 3, 0, 2, 2, 40},
		"a size of 0":           {0, 0, 0, 0},
		"a negative size":       {0xff, 0, 0, 0},
		"another's correlation": {0, 0, 0, 6, 0, 0, 0, 9, 0, 0},
	} {
		here, there := net.Pipe()
		go func() {
			_, _ = io.CopyN(io.Discard, there, 16) // the request
			_, _ = there.Write(out)
			_ = there.Close()
		}()
		if _, err := New(here, "me", time.Second); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
		_ = here.Close()
	}
}

func TestABrokerThatNeverAnswersIsGivenUp(t *testing.T) {
	w, err := New(broker(t, 13, func([]byte, int32) []byte { return nil }), "me", 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(&Request{}); err != nil {
		t.Fatal(err)
	}
	var r Response
	if _, err := w.Receive(time.Millisecond, &r, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
