package quick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file"
)

// parseTime reads RFC 3339, or a number of seconds or milliseconds since 1970, in quotes or not.
func parseTime(raw json.RawMessage) (time.Time, error) {
	s := strings.Trim(string(raw), `"`)
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if n > 1e11 || n < -1e11 { // as seconds it would be the year 5138
			return time.UnixMilli(int64(n)).UTC(), nil
		}
		return time.UnixMilli(int64(n * 1000)).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.60s is neither RFC 3339 nor Unix seconds or milliseconds", raw)
	}
	return t.UTC(), nil
}

// flowName makes a flow's name of a value: lower-case letters, digits, dashes and dots. Values that give the same name
// share a flow.
func flowName(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		value = string(raw)
	}
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

// firstLines yields lines from the beginning of each file in turn, n in all; a line is valid until the next.
func firstLines(ctx context.Context, from file.Config, n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
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
				if n--; n < 0 || !yield(batch.Records[i].Value, nil) {
					batch.Release()
					return
				}
			}
			batch.Release()
		}
	}
}
