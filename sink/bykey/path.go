package bykey

import (
	"fmt"
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/escape"
)

// Value is the value of one key of a flow.
type Value struct{ Name, Value string }

// Path is the values of all keys of a flow, in the order of sink.Flow.Keys: {{"advertiser", "17"}}.
type Path []Value

// String is the folders of the path, such as "advertiser=17/", with values escaped as package escape does.
func (p Path) String() string {
	var b []byte
	for _, v := range p {
		b = append(escape.Append(append(append(b, v.Name...), '='), v.Value), '/')
	}
	return string(b)
}

// check says why no flow has such a path.
func (p Path) check() error {
	if len(p) == 0 {
		return fmt.Errorf("a path of no key has no folder: sink.Committed and package delivery read whole flows")
	}
	for _, v := range p {
		if v.Name == "" || strings.ContainsAny(v.Name, "/=") {
			return fmt.Errorf("no key has the name %q", v.Name)
		}
	}
	return driver.CheckKey(strings.TrimSuffix(p.String(), "/"))
}

// fits reports whether the folders of a path have the names of p.
func (p Path) fits(folders string) bool {
	for _, v := range p {
		level, rest, _ := strings.Cut(folders, "/")
		if name, _, ok := strings.Cut(level, "="); !ok || name != v.Name {
			return false
		}
		folders = rest
	}
	return folders == ""
}

// names are the names of keys that folders have: "country, advertiser".
func names(folders string) string {
	var all []string
	for level := range strings.SplitSeq(strings.TrimSuffix(folders, "/"), "/") {
		name, _, _ := strings.Cut(level, "=")
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
