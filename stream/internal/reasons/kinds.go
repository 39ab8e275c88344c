package reasons

import (
	"cmp"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// maxWhy is how long a label may be, in bytes.
const maxWhy = 64

// printable makes s fit for a log and a ledger: valid UTF-8, without unprintable characters, and short.
func printable(s string) string {
	plain := len(s) <= maxWhy
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < utf8.RuneSelf-1
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > maxWhy {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// DeadWhy is the label of a dead letter.
func DeadWhy(st string, err error) string {
	kind := "no error"
	_, panicked := errors.AsType[*record.PanicError](err)
	switch {
	case err == nil:
	case panicked:
		kind = "panic"
	case errors.Is(err, stage.ErrEventTime):
		kind = "event time"
	default:
		kind = kindOf(err.Error())
	}
	return cmp.Or(st, "a stage") + ": " + kind
}

// kindOf replaces what differs from record to record in an error's text, which is digits and quoted text, by #.
func kindOf(text string) string {
	var b strings.Builder
	for i := 0; i < len(text) && b.Len() < maxWhy; i++ {
		c := text[i]
		end := -1
		switch {
		case c >= '0' && c <= '9':
			end = i
			for end+1 < len(text) && text[end+1] >= '0' && text[end+1] <= '9' {
				end++
			}
		case c == '"' || c == '`' || c == '\'':
			end = closing(text, i)
		}
		if end < 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('#')
		i = end
	}
	return b.String()
}

// closing returns where the quoted text that begins at i ends; -1 if i is an apostrophe.
func closing(text string, i int) int {
	n := strings.IndexByte(text[i+1:], text[i])
	if n < 0 && text[i] != '\'' {
		return len(text) - 1 // what is quoted was cut
	}
	if text[i] == '\'' && (n < 0 || n > utf8.UTFMax+4) {
		return -1
	}
	return i + 1 + n
}
