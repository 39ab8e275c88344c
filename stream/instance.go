package stream

import (
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostInstance is how many bytes of an instance's name are kept. Kubernetes gives a pod at most 63 by default.
const mostInstance = 100

// instanceName makes a name that a log, a ledger and a terminal can show. An empty one becomes the host's.
func instanceName(name string) string {
	if name == "" {
		name, _ = os.Hostname() // without one the name stays empty
	}
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	if len(name) > mostInstance {
		name = strings.ToValidUTF8(name[:mostInstance], "")
	}
	return name
}
