package service

import (
	"crypto/md5" // the service assigns keys to shards by it
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Hash is a place in the key space of a stream, of 128 bits.
type Hash struct{ Hi, Lo uint64 }

func (h Hash) less(o Hash) bool { return h.Hi < o.Hi || h.Hi == o.Hi && h.Lo < o.Lo }

// Range is what a shard takes, both ends included.
type Range struct{ From, To Hash }

// All reports whether the range is the whole key space. Then no key need be looked up.
func (r Range) All() bool { return r == Range{To: Hash{^uint64(0), ^uint64(0)}} }

func (r Range) Has(h Hash) bool { return !h.less(r.From) && !r.To.less(h) }

// HashOf is where a record without an explicit hash key belongs.
func HashOf(key []byte) Hash {
	sum := md5.Sum(key)
	return Hash{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

var errHash = errors.New("a hash key is not a number below 2^128")

// ParseHash reads a number of decimal digits. It takes part in every user record that has an explicit hash key.
func ParseHash[T string | []byte](s T) (h Hash, err error) {
	if len(s) == 0 {
		return Hash{}, errHash
	}
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if digit > 9 || h.Hi > math.MaxUint64/10 {
			return Hash{}, errHash
		}
		carry, lo := bits.Mul64(h.Lo, 10)
		h.Lo, digit = bits.Add64(lo, digit, 0)
		if h.Hi, digit = bits.Add64(h.Hi*10, carry, digit); digit != 0 {
			return Hash{}, errHash
		}
	}
	return h, nil
}

func parseRange(r *types.HashKeyRange) (Range, error) {
	if r == nil {
		return Range{}, fmt.Errorf("a shard without a range of hash keys")
	}
	from, err := ParseHash(aws.ToString(r.StartingHashKey))
	if err != nil {
		return Range{}, fmt.Errorf("%w: %q", err, aws.ToString(r.StartingHashKey))
	}
	to, err := ParseHash(aws.ToString(r.EndingHashKey))
	if err != nil {
		return Range{}, fmt.Errorf("%w: %q", err, aws.ToString(r.EndingHashKey))
	}
	return Range{from, to}, nil
}
