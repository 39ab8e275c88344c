// Package sourcename writes the name of one of several sources of a job into what the ledger knows of it: the sources of
// its partitions, its lanes and its topics. What belongs to a source without a name stays as it is.
package sourcename

import "strings"

// Most is the longest name, in bytes.
const Most = 20

// Legal reports whether s can be a name: 1 to Most lower-case letters, digits and dashes, and it begins with a letter.
func Legal(s string) bool {
	if s == "" || len(s) > Most || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Join writes name before s; "" leaves s as it is.
func Join(name, s string) string {
	if name == "" {
		return s
	}
	return name + "=" + s
}

// Split undoes Join.
func Split(s string) (name, rest string) {
	if name, rest, ok := strings.Cut(s, "="); ok && Legal(name) {
		return name, rest
	}
	return "", s
}
