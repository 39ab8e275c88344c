package azure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// order puts objects into the order of their keys' bytes. They come in the order of their names, which differs in two cases:
//
//   - A name with ".!/" comes before names that its key comes after.
//   - A service may compare names as UTF-16. Then what lies beyond U+FFFF comes before U+E000 to U+FFFF.
//
// In both an object comes too early and never too late, so it waits here until the names are past its key. Its zero value is
// ready.
type order struct {
	waiting []driver.Object // sorted
}

// add takes in the next object of the listing.
func (o *order) add(object driver.Object) {
	i, _ := slices.BinarySearchFunc(o.waiting, object.Key, func(w driver.Object, key string) int { return cmp.Compare(w.Key, key) })
	o.waiting = slices.Insert(o.waiting, i, object)
}

// take removes and returns the objects whose turn has come once the listing has reached name.
func (o *order) take(name string) []driver.Object {
	bound, n := bound(name), 0
	for n < len(o.waiting) && o.waiting[n].Key <= bound {
		n++
	}
	ready := o.waiting[:n:n]
	o.waiting = o.waiting[n:]
	return ready
}

// start is a name that no name of a key behind after is before, whichever of the two orders the service has.
func start(after string) string {
	for i, r := range after {
		if 0xE000 <= r && r <= 0xFFFF {
			return toPrefix(after[:i])
		}
		if r == '.' && i+1 < len(after) && strings.IndexByte("%-.", after[i+1]) >= 0 { // what sorts between ".!/" and "./"
			return toPrefix(after[:i+1])
		}
	}
	return toName(after)
}

// bound is a text that no key of a later name is below.
func bound(name string) string {
	for i, r := range name {
		if r > 0xFFFF {
			return name[:i] + "\ue000"
		}
	}
	return name
}
