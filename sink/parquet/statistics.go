package parquet

import (
	"encoding/binary"
	"math"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// longStatistic is the length of a least or greatest value that is not worth its place in the footer.
const longStatistic = 256

// trim takes back statistics that could mislead a reader. Some take NaN for greater than all numbers, and parquet-go leaves NaN
// out; so there are none of a column with one. Zeros are of either sign: the least one is negative, the greatest one is not.
// Decimals in bytes are in the order of their values, and parquet-go has that of the bytes.
func (g *rowGroup) trim(f *form, nan []bool) {
	for i := range f.columns {
		c := &f.columns[i]
		s := &g.meta.Columns[i].MetaData.Statistics
		if nan[i] || c.unsorted {
			s.MinValue, s.MaxValue, g.columns[i] = nil, nil, nil
		}
		if len(s.MinValue) > longStatistic || len(s.MaxValue) > longStatistic {
			s.MinValue, s.MaxValue = nil, nil
		}
		s.Min, s.Max = nil, nil
		if c.kind != pq.Float && c.kind != pq.Double || g.columns[i] == nil {
			continue
		}
		signed(s.MinValue, s.MaxValue)
		var index format.ColumnIndex
		if thrift.Unmarshal(new(thrift.CompactProtocol), g.columns[i], &index) == nil {
			for k := range min(len(index.MinValues), len(index.MaxValues)) {
				signed(index.MinValues[k], index.MaxValues[k])
			}
			if b, err := thrift.Marshal(new(thrift.CompactProtocol), &index); err == nil {
				g.columns[i] = b
				continue
			}
		}
		g.columns[i] = nil
	}
}

// signed gives zeros the sign that bounds need.
func signed(least, greatest []byte) {
	if zero(least) {
		least[len(least)-1] = 0x80
	}
	if zero(greatest) {
		greatest[len(greatest)-1] = 0
	}
}

func zero(b []byte) bool {
	switch len(b) {
	case 4:
		return math.Float32frombits(binary.LittleEndian.Uint32(b)) == 0
	case 8:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)) == 0
	}
	return false
}
