package lease

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDealIsEvenAndMovesNoMoreThanItMust(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var members []string
		for i := range 1 + rnd.IntN(6) {
			members = append(members, fmt.Sprint("m", i))
		}
		before := map[string]string{}
		for i := range rnd.IntN(40) {
			before[fmt.Sprint("lane", i)] = append(members, "dead", "")[rnd.IntN(len(members)+2)]
		}
		owners := maps.Clone(before)
		moves := deal(members, owners)

		load, kept := map[string]int{}, map[string]int{}
		for lane, owner := range owners {
			load[owner]++
			if before[lane] == owner {
				kept[owner]++
			}
		}
		low, high := len(before)/len(members), (len(before)+len(members)-1)/len(members)
		for _, m := range members {
			if load[m] < low || load[m] > high {
				t.Fatalf("seed %d: %s has %d of %d, want %d to %d: %v", seed, m, load[m], len(before), low, high, owners)
			}
		}
		asked := map[string]bool{}
		for _, mv := range moves {
			alive := slices.Contains(members, before[mv.key])
			if mv.ask != alive || owners[mv.key] != mv.to || asked[mv.key] {
				t.Fatalf("seed %d: %+v, its owner was %q", seed, mv, before[mv.key])
			}
			asked[mv.key] = true
			if before[mv.key] == mv.to {
				t.Fatalf("seed %d: %+v is no move", seed, mv)
			}
		}
		// Nobody gives one away and ends with fewer than the others may have.
		for _, m := range members {
			had := 0
			for _, owner := range before {
				if owner == m {
					had++
				}
			}
			if gave := had - kept[m]; gave > 0 && load[m] > kept[m] || gave > 0 && kept[m] < low {
				t.Fatalf("seed %d: %s had %d, kept %d, has %d", seed, m, had, kept[m], load[m])
			}
		}
	}
}

func TestAllMembersDealAlike(t *testing.T) {
	members := []string{"a", "b", "c", "d"}
	owners := map[string]string{}
	for i := range 30 {
		owners[fmt.Sprint(i)] = []string{"a", "a", "b", ""}[i%4]
	}
	want := deal(members, maps.Clone(owners))
	for range 50 {
		rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		if got := deal(members, maps.Clone(owners)); !slices.Equal(got, want) {
			t.Fatalf("members %v: got %v, want %v", members, got, want)
		}
	}
}

func TestOneMoreThanAnotherIsEvenEnough(t *testing.T) {
	owners := map[string]string{"1": "a", "2": "a", "3": "b"}
	if moves := deal([]string{"a", "b"}, owners); len(moves) > 0 {
		t.Errorf("moves %v", moves)
	}
}
