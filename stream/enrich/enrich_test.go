package enrich_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/onceflow/onceflow/stream/enrich"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

type view struct{ Article, Price string }

func price(prices *map[string]string, v *view) error {
	p, ok := (*prices)[v.Article]
	if !ok {
		return errors.New("no such article")
	}
	v.Price = p
	return nil
}

func TestBatchSeesOneVersion(t *testing.T) {
	table := enrich.NewTable(map[string]string{"a": "1"})
	l := streamtest.Open(t, enrich.With(table, func(m *map[string]string, v *view) error {
		table.Replace(map[string]string{"a": "2"}) // while the batch is under way
		return price(m, v)
	}))
	in := []record.Event[view]{{Value: view{Article: "a"}, Time: t0}, {Value: view{Article: "a"}, Time: t0}}
	if got := l.FeedAll(in); !slices.Equal(got, []view{{"a", "1"}, {"a", "1"}}) {
		t.Errorf("got %v, want both with the price of before", got)
	}
	if got := l.Feed(t0, view{Article: "a"}); got[0].Price != "2" {
		t.Errorf("got %v, want the new price", got)
	}
}

func TestErrorRejectsTheRecord(t *testing.T) {
	l := streamtest.Open(t, enrich.With(enrich.NewTable(map[string]string{}), price))
	l.Feed(t0, view{Article: "x"})
	if want := (record.Counts{record.Dead: 1}); l.Fates() != want {
		t.Errorf("fates %v, want %v", l.Fates(), want)
	}
}

func TestAPanicRejectsItsRecordAlone(t *testing.T) {
	l := streamtest.Open(t, enrich.With(enrich.NewTable(map[string]string{"a": "1"}), func(m *map[string]string, v *view) error {
		if v.Article == "" {
			panic("no article")
		}
		return price(m, v)
	}))
	in := []record.Event[view]{{Value: view{Article: "a"}, Time: t0}, {Time: t0}, {Value: view{Article: "a"}, Time: t0}}
	if got := l.FeedAll(in); !slices.Equal(got, []view{{"a", "1"}, {"a", "1"}}) {
		t.Errorf("got %v, want the first and the last", got)
	}
	if want := (record.Counts{record.Written: 2, record.Dead: 1}); l.Fates() != want {
		t.Errorf("fates %v, want %v", l.Fates(), want)
	}
}

func TestWhatIsMissingIsFoundBeforeAnythingRuns(t *testing.T) {
	for what, s := range map[string]stage.Stage[view, view]{
		"table": enrich.With(nil, price), "function": enrich.With[view](enrich.NewTable(map[string]string{}), nil),
	} {
		if stage.TraitsOf(s).Err == nil {
			t.Errorf("a stage without a %s is not refused", what)
		}
	}
}

func TestTableIsLoadedAgainAndAgainUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		var fail atomic.Pointer[error]
		fail.Store(new(error))
		table, err := enrich.Open(t.Context(), func(context.Context) (int, error) {
			return int(loads.Add(1)), *fail.Load()
		}, &enrich.Options{Every: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		pass := func(d time.Duration) {
			time.Sleep(d) //nolint:forbidigo // the clock of the bubble
			synctest.Wait()
		}
		pass(2*time.Minute + time.Second)
		if got := *table.Current(); got != 3 {
			t.Errorf("version %d after two minutes, want 3", got)
		}
		broken := errors.New("404")
		fail.Store(&broken)
		pass(time.Minute)
		s := table.Status()
		if *table.Current() != 3 || s.Failing == nil || time.Since(s.Loaded) < time.Minute {
			t.Errorf("version %d, status %+v after a load that failed; want 3 still, and the error", *table.Current(), s)
		}
		fail.Store(&enrich.ErrUnchanged)
		pass(time.Minute)
		if s := table.Status(); *table.Current() != 3 || s.Failing != nil || time.Since(s.Checked) > time.Minute {
			t.Errorf("version %d, status %+v, want 3 still and no error", *table.Current(), s)
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
		before := loads.Load()
		pass(time.Hour)
		if n := loads.Load() - before; n != 0 {
			t.Errorf("%d loads after Close", n)
		}
	})
}

func TestFirstLoadMustSucceed(t *testing.T) {
	for _, first := range []error{io.ErrUnexpectedEOF, enrich.ErrUnchanged} {
		if _, err := enrich.Open(t.Context(), func(context.Context) (int, error) { return 0, first }, nil); !errors.Is(err, first) {
			t.Errorf("got %v, want %v", err, first)
		}
	}
}

func parse(r io.Reader) (map[string]string, error) {
	m := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		k, v, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			return nil, fmt.Errorf("no = in %q", lines.Text())
		}
		m[k] = v
	}
	return m, lines.Err()
}

func write(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := errors.Join(os.Chtimes(tmp, at, at), os.Rename(tmp, path)); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsParsedWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prices")
	write(t, path, "a=1\n", time.Hour)
	parsed := 0
	table, err := enrich.OpenFile(t.Context(), path, func(r io.Reader) (map[string]string, error) {
		parsed++
		return parse(r)
	}, &enrich.Options{Every: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	reload := func() error { return table.Reload(t.Context()) }
	if err := reload(); err != nil || parsed != 1 {
		t.Errorf("parsed %d times, %v; want once: it has not changed", parsed, err)
	}
	write(t, path, "a=2\n", 0)
	if err := reload(); err != nil || (*table.Current())["a"] != "2" {
		t.Errorf("price %s, %v; want 2", (*table.Current())["a"], err)
	}
	write(t, path, "broken", 0)
	if err := reload(); err == nil || (*table.Current())["a"] != "2" {
		t.Errorf("price %s, %v; want 2 still, and an error", (*table.Current())["a"], err)
	}
	if err := reload(); err == nil {
		t.Error("a broken file was taken for an unchanged one")
	}
}
