package kinesis

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A negative Buffer was once reported twice: as negative, and as less than an answer.
func TestEachFaultOfTheOptionsIsReportedOnce(t *testing.T) {
	c := Config{AWS: aws.Config{Region: "eu-central-1"}, Stream: "s"}
	for buffer, want := range map[int64]string{-1: "Buffer is negative", 1: "less than the 10485760 bytes"} {
		_, err := c.fill(&Options{Buffer: buffer})
		if err == nil || strings.Count(err.Error(), "Buffer") != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("Buffer %d: got %v, want %q once", buffer, err, want)
		}
	}
}
