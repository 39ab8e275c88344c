package tail_test

import (
	"errors"
	"testing"

	"github.com/onceflow/onceflow/internal/tail"
)

func TestFindEndsAtTheLast(t *testing.T) {
	for last := range uint64(70) {
		for near := range uint64(140) {
			asked := 0
			got, err := tail.Find(near, func(n uint64) (bool, error) {
				if n == 0 {
					t.Fatal("there is no object 0")
				}
				asked++
				return n <= last, nil
			})
			if got != last || err != nil || asked > 17 {
				t.Errorf("near %d: got %d, %v after %d questions, want %d after at most 17", near, got, err, asked, last)
			}
			if near == last && last > 0 && asked != 2 {
				t.Errorf("at the end %d: %d questions, want 2", last, asked)
			}
		}
	}
}

func TestFindReturnsTheFirstError(t *testing.T) {
	bad := errors.New("bad")
	for at := 1; at <= 8; at++ {
		asked := 0
		_, err := tail.Find(3, func(n uint64) (bool, error) {
			if asked++; asked == at {
				return true, bad
			}
			return n <= 20, nil
		})
		if !errors.Is(err, bad) {
			t.Errorf("error at question %d: got %v", at, err)
		}
	}
}
