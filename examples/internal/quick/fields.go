package quick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file"
)

// layouts are the forms of times that logs and databases write; fractions of a second may follow the seconds. Those without
// an offset are times of the zone that the user names.
var layouts = []string{
	time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05-07", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
	"02/Jan/2006:15:04:05 -0700", time.RFC1123Z, time.RFC1123,
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006/01/02 15:04:05", "20060102 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// parseTime reads a time in one of the layouts, or a number of seconds or milliseconds since 1970.
func parseTime(s string, zone *time.Location) (time.Time, error) {
	s = strings.Trim(s, " []")
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if math.Abs(n) <= 1e11 { // else as seconds it would be the year 5138
			n *= 1000
		}
		if math.Abs(n) < 1e15 { // not so for what is no number
			return time.UnixMilli(int64(n)).UTC(), nil
		}
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is no time that this program knows: RFC 3339, 2006-01-02 15:04:05, 02/Jan/2006:15:04:05 -0700, Unix seconds or milliseconds", s)
}

// text is a value of JSON without its quotes; null is empty. A value that is no text stays as it is: the decoder would put U+FFFD in
// place of bytes that are no UTF-8, so that two IDs become one.
func text(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil || strings.ContainsRune(value, utf8.RuneError) {
		return string(raw)
	}
	return value
}

// flowName makes a flow's name of a value: lower-case letters, digits, dashes and dots. Values that give the same name
// share a flow.
func flowName(value string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '.':
			return r
		}
		return '-'
	}, strings.ToLower(value))
	name = strings.Trim(name[:min(len(name), 60)], "-.")
	switch name {
	case "":
		return otherFlow
	case "late", "dead": // the library's own
		return name + "-"
	}
	return name
}

// first yields records from the beginning of each file in turn, n in all; a record is valid until the next.
func first(ctx context.Context, from file.Config, n int) iter.Seq2[*stream.Record, error] {
	return func(yield func(*stream.Record, error) bool) {
		src, err := file.Open(from, nil)
		if err != nil {
			yield(nil, err)
			return
		}
		defer src.Close()
		for {
			batch, err := src.Poll(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			for i := 0; err == nil && i < len(batch.Assigned); i++ {
				err = src.Start(ctx, driver.Start{Lane: batch.Assigned[i].Lane})
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range batch.Records {
				if n--; n < 0 || !yield(&batch.Records[i], nil) {
					batch.Release()
					return
				}
			}
			batch.Release()
		}
	}
}
