package azure

import "strings"

// The service drops a dot at the end of a part of a name, so that "a." and "a" would be one blob. Behind such a dot a name has an
// exclamation mark, which no key has.

// toName is the name of the blob for a key, or for the beginning of keys.
func toName(key string) string {
	if strings.HasSuffix(key, ".") {
		key += "!"
	}
	return strings.ReplaceAll(key, "./", ".!/")
}

// toPrefix is what the names of all keys with a prefix begin with. Its last part may go on, so it stays as it is.
func toPrefix(prefix string) string { return strings.ReplaceAll(prefix, "./", ".!/") }

// toKey undoes toName.
func toKey(name string) string {
	if strings.HasSuffix(name, ".!") {
		name = name[:len(name)-1]
	}
	return strings.ReplaceAll(name, ".!/", "./")
}
