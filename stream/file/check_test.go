package file

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// What was begun and is gone between two runs is assigned to nobody, so it must be missed before the next one begins.
func TestBegunFilesMustStillBeThere(t *testing.T) {
	text := map[string]string{"a": "a1\na2\n", "b": "b1\nb2\n", "c": "c1\n"}
	conf := Config{Dir: folder(t, text)}
	old := map[string]record.Partition{}
	for _, f := range open(t, conf, nil).first {
		old[f.id] = f.part
	}
	all := map[record.Partition]driver.Progress{}
	for _, p := range old {
		all[p] = driver.Progress{UpTo: record.Position{Sub: 1}}
	}
	all[record.Partition{Source: "another", ID: "x"}] = driver.Progress{} // a topic that is not ours
	if err := open(t, conf, nil).Begin(t.Context(), driver.Ledger{Unfinished: func() map[record.Partition]driver.Progress { return all }}); err != nil {
		t.Errorf("nothing has changed, and it says %v", err)
	}
	put(t, filepath.Join(conf.Dir, "b"), "other\nb2\n")
	for name, c := range map[string]struct {
		conf  Config
		wants []string
	}{
		"replaced": {conf, []string{"b was read up to line 1 and not to its end, and another file took its place"}},
		"left out": {Config{Dir: conf.Dir, Patterns: []string{"c"}}, []string{"a was read up to line 1", "b was read", "gone, or not among the files"}},
		"renamed":  {Config{Dir: folder(t, map[string]string{"a2": text["a"], "b": text["b"], "c": text["c"]})}, []string{"a was read up to line 1 and not to its end, and it is called"}},
	} {
		err := open(t, c.conf, nil).Begin(t.Context(), driver.Ledger{Unfinished: func() map[record.Partition]driver.Progress { return all }})
		if !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), "sink.Retire") {
			t.Fatalf("%s: got %v", name, err)
		}
		for _, want := range c.wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in\n%v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "c was") {
			t.Errorf("%s: c is as it was, and it says\n%v", name, err)
		}
	}
}

// A file comes after one process has looked at the folder, and another process has begun it before the first reads the ledger.
func TestAFileThatAnotherHasBegunMeanwhileIsNotMissed(t *testing.T) {
	conf := Config{Dir: folder(t, map[string]string{"a": "a1\n"})}
	s := open(t, conf, nil)
	put(t, filepath.Join(conf.Dir, "b"), "b1\nb2\n")
	begun := map[record.Partition]driver.Progress{}
	for _, f := range open(t, conf, nil).first {
		begun[f.part] = driver.Progress{UpTo: record.Position{Sub: 1}}
	}
	if err := s.Begin(t.Context(), driver.Ledger{Unfinished: func() map[record.Partition]driver.Progress { return begun }}); err != nil {
		t.Error(err)
	}
	if len(s.first) != 2 {
		t.Errorf("%d files are to be read, want both", len(s.first))
	}
}
