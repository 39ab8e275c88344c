package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/snappy"

	"github.com/onceflow/onceflow/internal/ledger"
)

// keyRows is the rows of one key path in a pack.
type keyRows struct {
	path, rows string
}

func (g *keyRows) slot() int { return int(sha256.Sum256([]byte(g.path))[0]) }

var errPack = errors.New("the pack cannot be read")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readPack reads a pack as docs/format.md says, in the order of its groups. It is not the reader that merges use. No row of
// a simulation is so long that it has a block of its own.
func readPack(b []byte, f ledger.File) (all []keyRows, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPack, r)
		}
	}()
	at := f.Contents
	list := b[at.Offset : at.Offset+at.Length]
	if int64(len(b)) != f.Length || crc32.Checksum(b, castagnoli) != f.CRC32C || crc32.Checksum(list, castagnoli) != at.CRC32C {
		return nil, fmt.Errorf("%w: checksum", errPack)
	}
	var contents struct {
		Segments []struct{ Offset, Index, Bytes int64 }
	}
	if err := json.Unmarshal(list, &contents); err != nil {
		return nil, err
	}
	for _, s := range contents.Segments {
		index, blocks := b[s.Offset:s.Offset+s.Index], b[s.Offset+s.Index:s.Offset+s.Index+s.Bytes]
		next := func() int {
			v, n := binary.Uvarint(index)
			index = index[n:]
			return int(v)
		}
		rows := ""
		for range next() {
			length := next()
			if raw := next(); raw%2 == 1 {
				return nil, fmt.Errorf("%w: a block of its own", errPack)
			}
			index = index[4:] // checksum
			block, err := snappy.Decode(nil, blocks[:length])
			if err != nil {
				return nil, err
			}
			rows, blocks = rows+string(block), blocks[length:]
		}
		path := ""
		for range next() {
			same, rest := next(), next()
			path = path[:same] + string(index[:rest])
			index = index[rest:]
			g := keyRows{path: path}
			for range next() {
				n := next() / 2
				next() // rows
				g.rows += rows[:n]
				rows = rows[n:]
			}
			all = append(all, g)
		}
	}
	return all, nil
}
