package driver_test

import (
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
)

func TestKeysCannotLeaveTheirFolder(t *testing.T) {
	seg := strings.Repeat("s", driver.MaxSegment)
	for key, ok := range map[string]bool{
		"a": true, "a/b": true, "_onceflow/j/e0001/s0000/00000000000000000001": true, "a/day=2025-05-01/k=%2F/f.jsonl.zst": true, "...": true, ".x": true,
		seg: true, seg + "/" + seg + "/" + seg + "/" + seg: true,
		"": false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/..": false, "../a": false, "a/./b": false,
		`a\b`: false, "a\x00": false, "a b": false, "é": true, "日本/k=😀%2F": true, "\ufffd": true, "\xe9": false, "a\xff\ufffd": false, "\u0085": false, "\u202e": false, "\u2028": false, "a\n": false, "a:b": false, "a*": false, "~x": true,
		seg + "s": false, seg + "/" + seg + "/" + seg + "/" + seg + "/a": false,
	} {
		if err := driver.CheckKey(key); (err == nil) != ok {
			t.Errorf("%.40q: got %v, want a key: %v", key, err, ok)
		}
	}
}

// A store once took a prefix that began with a slash, and another did not.
func TestPrefixesAreFolders(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"": true, "a/": true, "team/日本/k=v/": true, strings.Repeat("a", 127) + "/" + strings.Repeat("a", 127) + "/": true,
		"a": false, "/": false, "/a": false, "/a/": false, "a//": false, "../": false, "a/./": false, "a b/": false, "\xff/": false,
		strings.Repeat("a", 128) + "/" + strings.Repeat("a", 127) + "/": false,
	} {
		if err := driver.CheckPrefix(prefix); (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "Prefix") {
			t.Errorf("%.40q: got %v, want a prefix: %v", prefix, err, ok)
		}
	}
}

func TestOwnersFitIntoAnyName(t *testing.T) {
	for owner, ok := range map[string]bool{
		"a": true, "0f": true, "0-f": false, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false, "": false, "A": false, "a/b": false, "..": false, "a.b": false,
	} {
		if err := driver.CheckOwner(owner); (err == nil) != ok {
			t.Errorf("%.40q: got %v, want an owner: %v", owner, err, ok)
		}
	}
}
