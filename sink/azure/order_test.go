package azure

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/onceflow/onceflow/sink/driver"
)

func TestNamesAreUndone(t *testing.T) {
	for key, want := range map[string]string{
		"a": "a", "a.": "a.!", "a./b": "a.!/b", "...": "...!", ".a/..b./c..": ".a/..b.!/c..!", "k=Inc%2E/x": "k=Inc%2E/x", "a.b/c": "a.b/c",
	} {
		if got := toName(key); got != want || toKey(got) != key {
			t.Errorf("%q: got the name %q, which is the key %q; want the name %q", key, got, toKey(got), want)
		}
	}
}

// Whether the service compares bytes or UTF-16, objects leave in the order of their keys' bytes, each before later ones of the
// listing need it. A listing that starts behind a key has all that is behind it.
func TestObjectsLeaveInTheOrderOfTheirKeys(t *testing.T) {
	parts := []string{"a", "a.", "a..", "a-", "a%", "a.b", "b", "～", "😀", "\ue000", "😀.", "～😀", "日", "\ufffd", "a😀", "a～"}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var keys []string
		for range 20 {
			key := parts[r.IntN(len(parts))]
			for range r.IntN(3) {
				key += "/" + parts[r.IntN(len(parts))]
			}
			keys = append(keys, key)
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for how, compare := range map[string]func(a, b string) int{
			"bytes": cmp.Compare[string],
			"UTF-16": func(a, b string) int {
				return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
			},
		} {
			var names []string
			for _, k := range keys {
				names = append(names, toName(k))
			}
			slices.SortFunc(names, compare)
			var o order
			var got []string
			for _, n := range names {
				o.add(driver.Object{Key: toKey(n)})
				for _, x := range o.take(n) {
					got = append(got, x.Key)
				}
			}
			for _, x := range o.waiting {
				got = append(got, x.Key)
			}
			if !slices.Equal(got, keys) {
				t.Fatalf("seed %d, listed by %s: got %q, want %q", seed, how, got, keys)
			}
			for i, after := range keys {
				for _, k := range keys[i+1:] {
					if compare(toName(k), start(after)) < 0 {
						t.Fatalf("a listing by %s from %q on lacks %q, which is behind %q", how, start(after), k, after)
					}
				}
			}
		}
	}
}
