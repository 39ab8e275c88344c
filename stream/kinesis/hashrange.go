package kinesis

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

// hash is a place in the key space of a stream, of 128 bits.
type hash struct{ hi, lo uint64 }

func (h hash) less(o hash) bool { return h.hi < o.hi || h.hi == o.hi && h.lo < o.lo }

// hashRange is what a shard takes, both ends included.
type hashRange struct{ from, to hash }

// all reports whether the range is the whole key space, so that nothing has to be looked up.
func (r hashRange) all() bool { return r == hashRange{to: hash{^uint64(0), ^uint64(0)}} }

func (r hashRange) has(h hash) bool { return !h.less(r.from) && !r.to.less(h) }

// hashOf is where a record without an explicit hash key belongs.
func hashOf(key []byte) hash {
	sum := md5.Sum(key)
	return hash{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

var errHash = errors.New("a hash key is not a number below 2^128")

// parseHash reads a number of decimal digits. It takes part in every user record that has an explicit hash key.
func parseHash[T string | []byte](s T) (h hash, err error) {
	if len(s) == 0 {
		return hash{}, errHash
	}
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if digit > 9 || h.hi > math.MaxUint64/10 {
			return hash{}, errHash
		}
		carry, lo := bits.Mul64(h.lo, 10)
		h.lo, digit = bits.Add64(lo, digit, 0)
		if h.hi, digit = bits.Add64(h.hi*10, carry, digit); digit != 0 {
			return hash{}, errHash
		}
	}
	return h, nil
}

func parseRange(r *types.HashKeyRange) (hashRange, error) {
	if r == nil {
		return hashRange{}, fmt.Errorf("a shard without a range of hash keys")
	}
	from, err := parseHash(aws.ToString(r.StartingHashKey))
	if err != nil {
		return hashRange{}, fmt.Errorf("%w: %q", err, aws.ToString(r.StartingHashKey))
	}
	to, err := parseHash(aws.ToString(r.EndingHashKey))
	if err != nil {
		return hashRange{}, fmt.Errorf("%w: %q", err, aws.ToString(r.EndingHashKey))
	}
	return hashRange{from, to}, nil
}
