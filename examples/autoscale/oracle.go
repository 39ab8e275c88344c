package main

import "math"

// The oracle knows the whole trace. It plans in slots of five minutes by dynamic programming over copies and backlog: the
// fewest paid copy-seconds such that no record is older than the goal at the end of any slot. It knows what a rebalance
// costs and orders copies so that they are up when they are needed. It keeps no room for anything, since it knows that it
// needs none.
const (
	oracleName = "oracle"
	slot       = 300    // seconds
	cell       = 2500.0 // records; the grid of backlogs
)

// slotFacts is what the oracle knows of a slot.
type slotFacts struct {
	arrived, can, canAfterPause float64 // records; what one copy can do
	limit                       float64 // greatest backlog at the end
}

func (t trace) slots() (facts []slotFacts) {
	total := make([]float64, len(t.load)+1)
	for s, a := range t.load {
		total[s+1] = total[s] + a
	}
	for from := 0; from+slot <= len(t.load); from += slot {
		end := from + slot
		f := slotFacts{arrived: total[end] - total[from], limit: total[end] - total[max(0, end-int(goal.Seconds()))]}
		for s := from; s < end; s++ {
			if t.down(s) {
				continue
			}
			f.can += copyRate * t.health(s)
			if s >= from+pause {
				f.canAfterPause += copyRate * t.health(s)
			}
		}
		if t.excused != nil && t.excused(end-1) {
			f.limit = math.Inf(1)
		}
		facts = append(facts, f)
	}
	return facts
}

// planner is the table of the dynamic programming. Index n*cells + c is for n copies and a backlog of c cells.
type planner struct {
	cells      int
	cost, next []float64 // copy-seconds paid
	fromCopies [][]uint8 // per slot: where the best way comes from
	fromCell   [][]uint16
}

// plan gives the copies of each slot.
func plan(t trace) []int {
	facts := t.slots()
	p := &planner{cells: worstBacklog(facts) + 2}
	p.cost, p.next = p.grid(), p.grid()
	for n := 1; n <= maxCopy; n++ {
		p.cost[n*p.cells] = 0 // any size to begin with, and no backlog
	}
	for _, f := range facts {
		p.slot(f)
	}
	copies, c := 0, 0
	for i, paid := range p.cost {
		if paid < p.cost[copies*p.cells+c] {
			copies, c = i/p.cells, i%p.cells
		}
	}
	sizes := make([]int, len(facts))
	for i := len(facts) - 1; i >= 0; i-- {
		sizes[i] = copies
		at := copies*p.cells + c
		copies, c = int(p.fromCopies[i][at]), int(p.fromCell[i][at])
	}
	return sizes
}

// slot makes all moves through one slot.
func (p *planner) slot(f slotFacts) {
	p.fromCopies = append(p.fromCopies, make([]uint8, len(p.cost)))
	p.fromCell = append(p.fromCell, make([]uint16, len(p.cost)))
	for i := range p.next {
		p.next[i] = math.Inf(1)
	}
	for c := range p.cells {
		// The best size to come from by a step down costs the least so far; by a step up, also the start of the new copies.
		var down [maxCopy + 2]int
		for n := maxCopy; n >= 1; n-- {
			if down[n] = n; n < maxCopy && p.cost[down[n+1]*p.cells+c] < p.cost[n*p.cells+c] {
				down[n] = down[n+1]
			}
		}
		up := 0
		for to := 1; to <= maxCopy; to++ {
			p.move(f, to, to, c, 0, f.can)
			if to < maxCopy {
				p.move(f, down[to+1], to, c, 0, f.canAfterPause)
			}
			if up > 0 {
				p.move(f, up, to, c, float64((to-up)*startUp), f.canAfterPause)
			}
			if up == 0 || p.cost[to*p.cells+c] < p.cost[up*p.cells+c]+float64((to-up)*startUp) {
				up = to
			}
		}
	}
	p.cost, p.next = p.next, p.cost
}

func (p *planner) move(f slotFacts, from, to, c int, extra, can float64) {
	paid := p.cost[from*p.cells+c] + extra + float64(to*slot)
	if paid > math.MaxFloat64 {
		return // nothing leads there
	}
	left := max(0, float64(c)*cell+f.arrived-float64(to)*can)
	end := int(left/cell + 0.5)
	if left > f.limit || end >= p.cells {
		return
	}
	if at := to*p.cells + end; paid < p.next[at] {
		p.next[at] = paid
		last := len(p.fromCell) - 1
		p.fromCopies[last][at], p.fromCell[last][at] = uint8(from), uint16(c)
	}
}

// grid is a table in which nothing can be reached. No copies never can.
func (p *planner) grid() []float64 {
	g := make([]float64, (maxCopy+1)*p.cells)
	for i := range g {
		g[i] = math.Inf(1)
	}
	return g
}

// worstBacklog is how many cells a backlog can reach that is within the limits.
func worstBacklog(facts []slotFacts) int {
	most, excused := 0.0, 0.0
	for _, f := range facts {
		if math.IsInf(f.limit, 1) {
			excused += f.arrived
			most = max(most, excused)
			continue
		}
		excused = f.limit
		most = max(most, f.limit)
	}
	return int(most/cell) + 1
}

// playPlan runs sizes that were planned on the model: each change is ordered early enough to be up in its slot.
func playPlan(t trace, sizes []int) (result, error) {
	j := newJob(t, sizes[0])
	r := result{policy: oracleName}
	err := j.live(&r, func() error {
		at := func(second int) int { return sizes[min(second/slot, len(sizes)-1)] }
		if soon := at(j.second + startUp); soon > j.ordered {
			j.resize(soon)
		}
		if now := at(j.second); now < j.ordered && now >= at(j.second+startUp) {
			j.resize(now)
		}
		return nil
	})
	return r, err
}
