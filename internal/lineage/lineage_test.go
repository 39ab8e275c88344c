package lineage

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func part(id string) record.Partition { return record.Partition{Source: "s", ID: id} }

// shards are written as "c<ab": c has the parents a and b.
func shards(list string) (out []Shard) {
	for _, s := range strings.Fields(list) {
		id, parents, _ := strings.Cut(s, "<")
		one := Shard{Partition: part(id)}
		for _, p := range parents {
			one.Parents = append(one.Parents, part(string(p)))
		}
		out = append(out, one)
	}
	return out
}

// known is written as "a:E", with E for ended, H for ended and holding, R for retired, O for open, and "@b" behind it if
// the ledger has it in lane b.
func known(list string) map[record.Partition]driver.Standing {
	out := map[record.Partition]driver.Standing{}
	for _, s := range strings.Fields(list) {
		id, how, _ := strings.Cut(s, ":")
		how, lane, moved := strings.Cut(how, "@")
		if !moved {
			lane = id
		}
		out[part(id)] = driver.Standing{Lane: lane, Ended: how == "E" || how == "H", Holds: how == "H", Retired: how == "R"}
	}
	return out
}

func show(lanes []Lane) string {
	var out []string
	for _, l := range lanes {
		s := l.Lane
		if l.Lease != l.Lane {
			s += "@" + l.Lease
		}
		for i, p := range l.Partitions {
			s += []string{"=", ""}[min(i, 1)] + p.ID
		}
		for i, p := range l.Elders {
			s += []string{"+", ""}[min(i, 1)] + p.ID
		}
		if l.Moved {
			s += "!"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestLanes(t *testing.T) {
	for _, c := range []struct{ why, shards, known, want string }{
		{"nothing is known", "a b", "", "a=a b=b"},
		{"children wait for their parent", "a b<a c<a", "a:O", "a=a"},
		{"children wait for a parent that nobody has begun", "a b<a c<a", "", "a=a"},
		{"a parent that holds records keeps its children", "a b<a c<a", "a:H b:O@a c:O@a", "a=abc"},
		{"children of a parent that holds none are lanes of their own, and leave its lane", "a b<a c<a", "a:E b:O@a c:O@a", "b@a=b+a! c@a=c+a!"},
		{"they have left it", "a b<a c<a", "a:E b:O c:O", "b=b+a c=c+a"},
		{"a child of two waits for both", "a b c<ab", "a:E b:O c:O@a", "b=b"},
		{"a child of two, and one holds", "a b c<ab", "a:E b:H c:O@a", "b=bc+a!"},
		{"a child of two, and both hold", "a b c<ab", "a:H b:H c:O@a", "a=abc!"},
		{"a child of two, and none holds", "a b c<ab", "a:E b:E c:O@a", "c@a=c+ab!"},
		{"a grandparent holds", "a b<a c<a d<b e<b", "a:H b:E@a c:O@a d:O@a e:O@a", "a=abcde"},
		{"a parent holds, and no grandparent", "a b<a c<a d<b e<b", "a:E b:H c:O d:O@b e:O@b", "b=bde+a c=c+a"},
		{"branches meet again", "a b<a c<a d<bc", "a:H b:E@a c:E@a d:O@a", "a=abcd"},
		{"a parent was dropped before the job began", "b<a c<a", "", "b=b c=c"},
		{"a parent was dropped after it was read", "b<a c<a", "a:E b:O c:O", "b=b c=c"},
		{"a shard was dropped before it was read to its end: it is lost", "b<a c<a", "a:O", "a=a"},
		{"a person has given up what was lost", "b<a c<a", "a:R", "b=b c=c"},
		{"nobody may read what was retired, and its children go on", "a b<a", "a:R", "b=b"},
		{"all has ended", "a b<a", "a:E b:E", ""},
	} {
		if got := show(Lanes(shards(c.shards), known(c.known))); got != c.want {
			t.Errorf("%s: shards %s, known %s: got %q, want %q", c.why, c.shards, c.known, got, c.want)
		}
	}
}

// Whatever happened, no two lanes share a partition or a name, and nothing that can be read is in none.
func TestLanesShareNothing(t *testing.T) {
	list := "a b c<ab d<c e<c f<e g<e h<df"
	states := []string{"O", "E", "H", "R"}
	for n := range 1 << 16 {
		var ks []string
		for i, id := range strings.Split("abcdefgh", "") {
			ks = append(ks, fmt.Sprintf("%s:%s", id, states[n>>(2*i)&3]))
		}
		lanes := Lanes(shards(list), known(strings.Join(ks, " ")))
		seen, names := map[string]bool{}, map[string]bool{}
		for _, l := range lanes {
			if names[l.Lane] {
				t.Fatalf("%v: two lanes %s", ks, l.Lane)
			}
			names[l.Lane] = true
			for _, p := range l.Partitions {
				if seen[p.ID] {
					t.Fatalf("%v: %s is in two lanes", ks, p.ID)
				}
				seen[p.ID] = true
			}
			if slices.ContainsFunc(l.Elders, func(p record.Partition) bool { return slices.Contains(l.Partitions, p) }) {
				t.Fatalf("%v: lane %s has a partition for its elder", ks, l.Lane)
			}
		}
		for _, root := range []string{"a", "b"} {
			if k := known(strings.Join(ks, " "))[part(root)]; !k.Retired && (!k.Ended || k.Holds) && !seen[root] {
				t.Fatalf("%v: %s is in no lane", ks, root)
			}
		}
	}
}
