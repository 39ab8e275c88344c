package kinesis

import (
	"crypto/md5" // the service assigns keys to shards by it
	"encoding/binary"
	"fmt"
	"math/big"

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

// hashOf is where a record belongs: its explicit hash key if it has one, else the MD5 of its partition key.
func hashOf(key, explicit []byte) (hash, error) {
	if explicit != nil {
		return parseHash(string(explicit))
	}
	sum := md5.Sum(key)
	return hash{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}, nil
}

func parseHash(s string) (hash, error) {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 {
		return hash{}, fmt.Errorf("hash key %q is not a number below 2^128", s)
	}
	var b [16]byte
	n.FillBytes(b[:])
	return hash{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, nil
}

func parseRange(r *types.HashKeyRange) (hashRange, error) {
	if r == nil {
		return hashRange{}, fmt.Errorf("a shard without a range of hash keys")
	}
	from, err := parseHash(aws.ToString(r.StartingHashKey))
	if err != nil {
		return hashRange{}, err
	}
	to, err := parseHash(aws.ToString(r.EndingHashKey))
	return hashRange{from, to}, err
}
