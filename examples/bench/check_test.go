package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/codec"
)

// output is what a right variant writes of a set: a file for each hour.
func output(s set) map[string][][]byte {
	files := map[string][][]byte{}
	for i := range s.size() {
		hour := time.UnixMilli(s.time(i)).UTC().Format("day=2006-01-02/hour=15")
		files["all/"+hour+"/x.jsonl.s2"] = append(files["all/"+hour+"/x.jsonl.s2"], s.append(nil, i))
	}
	return files
}

func check(t *testing.T, s set, files map[string][][]byte) error {
	t.Helper()
	var list []visible
	for path, rows := range files {
		var b bytes.Buffer
		z := codec.S2.New()
		z.Reset(&b)
		for _, r := range rows {
			_, _ = z.Write(append(bytes.Clone(r), '\n'))
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		list = append(list, visible{path, int64(b.Len()), func() (io.ReadCloser, error) { return io.NopCloser(&b), nil }})
	}
	_, err := (&checker{set: s}).check(list)
	return err
}

// A checker that never complains would make each variant right.
func TestTheCheckerNoticesEachFault(t *testing.T) {
	s := newSet(2000, 3*time.Hour, time.Date(2025, 5, 1, 12, 30, 0, 0, time.UTC))
	first := "all/day=2025-05-01/hour=08/x.jsonl.s2"
	for want, spoil := range map[string]func(map[string][][]byte){
		"":            func(map[string][][]byte) {},
		"there false": func(f map[string][][]byte) { f[first] = f[first][1:] },
		"there twice": func(f map[string][][]byte) { f[first] = append(f[first], f[first][7]) },
		", want {":    func(f map[string][][]byte) { f[first][3][400] ^= 1 },
		"no event":    func(f map[string][][]byte) { f[first][3] = set{s.n * 2, s.first, s.span}.append(nil, s.n+100) },
		"wrong folder": func(f map[string][][]byte) {
			f["all/day=2025-05-01/hour=09/y.jsonl.s2"] = f[first]
			delete(f, first)
		},
		"not an event": func(f map[string][][]byte) { f[first][3] = []byte(`{"id":"x"}`) },
	} {
		files := output(s)
		spoil(files)
		err := check(t, s, files)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestMixHasAnInverse(t *testing.T) {
	for i := range uint64(1000) {
		if x := i * 0x9e3779b97f4a7c15; unmix(mix(x)) != x {
			t.Fatalf("%d becomes %d", x, unmix(mix(x)))
		}
	}
}

func TestDecodeRefusesWhatIsNoEvent(t *testing.T) {
	good := set{1000, time.Unix(1_700_000_000, 0), time.Hour}.append(nil, 7)
	if e, err := decode(good); err != nil || len(e.id) != 32 || e.kind != beat || e.at == 0 || e.view == "" {
		t.Errorf("got %+v, %v", e, err)
	}
	for i := range good {
		if _, err := decode(good[:i]); err == nil {
			t.Errorf("the first %d bytes are taken for an event", i)
		}
	}
}
