package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// row is what the checker reads of a line.
type row struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// tally counts how often each record of a topic was seen, on time and late.
type tally struct {
	onTime, late map[string][]uint8
}

func newTally() *tally { return &tally{map[string][]uint8{}, map[string][]uint8{}} }

// file counts the rows of a data file and checks that they belong where they lie.
func (t *tally) file(key string, body []byte, hour time.Duration) (rows int, err error) {
	z, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	flow, folder, isLate := place(key)
	to := t.onTime
	if isLate {
		to = t.late
	}
	sc := bufio.NewScanner(z)
	for ; sc.Scan(); rows++ {
		var r row
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			return rows, fmt.Errorf("%s: row %d: %w", key, rows, err)
		}
		n, err := number(r.ID, flow)
		if err != nil {
			return rows, fmt.Errorf("%s: row %d: %w", key, rows, err)
		}
		if want := r.At.UTC().Truncate(hour).Format("day=2006-01-02/hour=15/minute=04"); want != folder {
			return rows, fmt.Errorf("%s: row %d is of %v", key, rows, r.At)
		}
		for len(to[flow]) <= n {
			to[flow] = append(to[flow], make([]uint8, n+1024-len(to[flow]))...)
		}
		if to[flow][n] < 255 {
			to[flow][n]++
		}
	}
	return rows, sc.Err()
}

func (t *tally) times(topic string, n int) (onTime, late int) {
	at := func(c []uint8) int {
		if n < len(c) {
			return int(c[n])
		}
		return 0
	}
	return at(t.onTime[topic]), at(t.late[topic])
}

// place reads a data file's key: "hits/day=../hour=../minute=../<file>", with "late/" before it.
func place(key string) (flow, folder string, late bool) {
	key, late = strings.CutPrefix(key, "late/")
	flow, rest, _ := strings.Cut(key, "/")
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		folder = rest[:i]
	}
	return flow, folder, late
}
