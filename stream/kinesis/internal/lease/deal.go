package lease

import (
	"cmp"
	"slices"
)

// move is a lease that comes to a member.
type move struct {
	key string
	to  string
	ask bool // its owner is alive
}

// deal says which leases should go to whom, so that no two members differ by more than one. owners has, for each lease that
// needs an owner, the member that has or will have it, or "" if nobody alive does. deal changes owners accordingly. The
// result depends on nothing else, so members with the same view come to the same result.
func deal(members []string, owners map[string]string) (moves []move) {
	load := map[string][]string{} // keys by member, sorted
	var free []string
	for _, m := range members {
		load[m] = nil
	}
	for key, owner := range owners {
		if _, ok := load[owner]; !ok || owner == "" {
			free = append(free, key)
			continue
		}
		load[owner] = append(load[owner], key)
	}
	for _, keys := range load {
		slices.Sort(keys)
	}
	slices.Sort(free)
	least := func(a, b string) int { return cmp.Or(cmp.Compare(len(load[a]), len(load[b])), cmp.Compare(a, b)) }
	give := func(key, to string, ask bool) {
		load[to] = append(load[to], key)
		owners[key] = to
		moves = append(moves, move{key, to, ask})
	}
	for _, key := range free {
		give(key, slices.MinFunc(members, least), false)
	}
	for {
		from, to := slices.MaxFunc(members, least), slices.MinFunc(members, least)
		n := len(load[from])
		if n-len(load[to]) < 2 {
			return moves
		}
		// One that was just given would be taken from its owner twice; the first ones are the oldest.
		key := load[from][0]
		load[from] = load[from][1:]
		give(key, to, true)
	}
}
