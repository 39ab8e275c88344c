package s3

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/onceflow/onceflow/internal/gather"
)

// checksum is CRC-32C of a body as S3 writes it.
func checksum(b *gather.Bytes) string {
	return base64.StdEncoding.EncodeToString(b.Sum(crc32.New(castagnoli)))
}

// encodeSum is a checksum as S3 writes it: big-endian, base64.
func encodeSum(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}
