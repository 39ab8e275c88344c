package main

import (
	"bufio"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/stream"
)

// linesIn counts the lines of a topic that have a mark.
func linesIn(t *testing.T, dir string) (n int) {
	t.Helper()
	for p := range partitions {
		f, err := os.Open(filepath.Join(dir, partitionFile(p)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			_, value := cutTime(lines.Bytes())
			r := &stream.Record{Value: value}
			if _, _, ok := audit.CutPrefix(value); ok && isWhole(r) {
				n++
			}
		}
	}
	return n
}

func someLines(n int) (all []audit.Line) {
	id := audit.NewID(time.Now())
	for i := range n {
		all = append(all, audit.Line{Mark: audit.Mark{ID: id, Line: i + 1}, Event: audit.Event{Key: []byte{byte(i)}, Value: []byte(goodLine)}})
	}
	return all
}

// A line whose writer died in the middle is no line, though its mark can be read, and costs no other one.
func TestATornLineIsNone(t *testing.T) {
	dir := t.TempDir()
	topic, err := openTopic(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.Send(t.Context(), someLines(100)); err != nil {
		t.Fatal(err)
	}
	for p := range partitions {
		name := filepath.Join(dir, partitionFile(p))
		info, err := os.Stat(name)
		if err == nil {
			err = os.Truncate(name, info.Size()-5)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := topic.Send(t.Context(), someLines(100)); err != nil {
		t.Fatal(err)
	}
	if n := linesIn(t, dir); n != 200-partitions {
		t.Errorf("%d lines are whole, want %d", n, 200-partitions)
	}
}

// Any number of processes add to a topic, each line whole.
func TestManyAddToATopic(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			topic, err := openTopic(dir, "a")
			if err != nil {
				t.Error(err)
				return
			}
			for range 20 {
				if err := topic.Send(t.Context(), someLines(50)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := linesIn(t, dir); n != 8*20*50 {
		t.Errorf("the topic has %d lines, want %d", n, 8*20*50)
	}
}
