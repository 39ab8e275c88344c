package cluster

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

// A broker that was started again was said to want TLS or SASL, and a password that had been changed was not spoken of.
func TestErrorsOfConnectionsSuggestWhatIsLikely(t *testing.T) {
	a := &Access{Login: "SCRAM-SHA-256 alice"}
	says := func(err error, want string) {
		t.Helper()
		if got := a.explain(err).Error(); !strings.Contains(got, want) {
			t.Errorf("got %q, want a word about %q", got, want)
		}
	}
	says(io.EOF, "TLS or SASL")
	says(fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "TLS or SASL")
	a.worked.Store(true)
	says(io.EOF, "starting again")
	says(fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "starting again")
	if got := a.explain(io.EOF).Error(); strings.Contains(got, "SASL") {
		t.Errorf("after a connection that worked: %q", got)
	}
	says(fmt.Errorf("connect: %w", sarama.ErrSASLAuthenticationFailed), "SCRAM-SHA-256 alice")
}
