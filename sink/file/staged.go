package file

import (
	"strings"

	"github.com/onceflow/onceflow/sink/driver"
)

// A staged file's name says what there is to know of it: "<random>,<owner>,<key>" with commas for the slashes of the key,
// which has none itself. A name has at most 255 bytes; a longer one is cut into folders, each ending in "+", and the file
// in ",". So a listing of staging needs no second file for each that could be lost or torn.
const (
	stagingFolder = "_onceflow/.staging"
	tempFolder    = stagingFolder + "/tmp" // of Create, Now and Open

	chunk = 200
)

// stagedName identifies a staged file.
type stagedName struct{ id, owner, key string }

func (n stagedName) String() string {
	return n.id + "," + n.owner + "," + strings.ReplaceAll(n.key, "/", ",")
}

// path is where the file lies.
func (n stagedName) path() string {
	var b strings.Builder
	b.WriteString(stagingFolder + "/")
	s := n.String()
	for len(s) > chunk {
		b.WriteString(s[:chunk] + "+/")
		s = s[chunk:]
	}
	return b.String() + s + ","
}

// parseStaged is the inverse of String. It accepts nothing that path could not bear.
func parseStaged(s string) (n stagedName, ok bool) {
	n.id, s, ok = strings.Cut(s, ",")
	if !ok {
		return n, false
	}
	n.owner, s, ok = strings.Cut(s, ",")
	n.key = strings.ReplaceAll(s, ",", "/")
	return n, ok && n.valid()
}

func (n stagedName) valid() bool {
	return len(n.id) <= 64 && driver.CheckOwner(n.id) == nil && driver.CheckOwner(n.owner) == nil && driver.CheckKey(n.key) == nil
}
