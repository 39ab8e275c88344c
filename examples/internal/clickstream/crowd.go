package clickstream

import (
	"fmt"
	"math/rand/v2"
)

// crowd is who is on the site.
type crowd struct {
	rnd      *rand.Rand
	pages    []string
	zipf     *rand.Zipf
	present  []*visitor
	sessions int
	last     action
}

// visitor views pages for a while and clicks on what they show.
type visitor struct {
	number, session, left int
	country, agent, page  string
}

// action is one event.
type action struct {
	visitor              *visitor
	kind, page, referrer string
	ms                   int // it took to load the page, or until the click
}

var (
	topics    = []string{"lamps", "chairs", "tables", "shelves", "rugs", "mirrors", "clocks", "vases"}
	countries = []string{"DE", "FR", "US", "US", "US", "IN", "IN", "BR", "JP", "PL"}
	agents    = []string{"Chrome/136 Android", "Chrome/136 Windows", "Safari/18.4 iPhone", "Safari/18.4 Mac", "Firefox/138 Linux", "Edge/136 Windows"}
	origins   = []string{"", "", "https://search.example/", "https://news.example/furniture", "https://social.example/p/42"}
)

const (
	crowdSize = 3000
	visitors  = 200_000 // who ever come
)

func newCrowd(rnd *rand.Rand) *crowd {
	c := &crowd{rnd: rnd, present: make([]*visitor, crowdSize)}
	for i := range 5000 {
		c.pages = append(c.pages, fmt.Sprintf("/shop/%s/%d", topics[i%len(topics)], 1000+i))
	}
	c.zipf = rand.NewZipf(rnd, 1.2, 8, uint64(len(c.pages)-1)) // a few pages are viewed most
	for i := range c.present {
		c.present[i] = c.arrive()
	}
	return c
}

func (c *crowd) arrive() *visitor {
	c.sessions++
	return &visitor{
		number: c.rnd.IntN(visitors), session: c.sessions, left: 1 + c.rnd.IntN(25),
		country: countries[c.rnd.IntN(len(countries))], agent: agents[c.rnd.IntN(len(agents))],
	}
}

// next is what happens next; it is valid until the next call.
func (c *crowd) next() *action {
	i := c.rnd.IntN(len(c.present))
	v := c.present[i]
	if v.left--; v.left < 0 {
		v = c.arrive()
		c.present[i] = v
	}
	a := &c.last
	*a = action{visitor: v, page: v.page, ms: 20 + int(c.rnd.ExpFloat64()*180)}
	switch p := c.rnd.IntN(100); {
	case v.page == "":
		a.kind, a.referrer = "view", origins[c.rnd.IntN(len(origins))]
		v.page = c.pages[c.zipf.Uint64()]
	case p < 70:
		a.kind, a.referrer = "view", v.page
		v.page = c.pages[c.zipf.Uint64()]
	case p < 97:
		a.kind, a.ms = "click", a.ms*10
	default:
		a.kind = "ping" // the page is still open: no flow wants to know
	}
	if a.kind == "view" {
		a.page = v.page
	}
	return a
}
