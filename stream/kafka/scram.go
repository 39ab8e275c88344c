package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// exchange is the client side of one SCRAM exchange: a sarama.SCRAMClient. Names and passwords are taken as they are, since
// Kafka's brokers do not prepare them either.
type exchange struct {
	hash  scram.HashGeneratorFcn
	nonce scram.NonceGeneratorFcn // nil is the package's own, which is random

	ctx    context.Context                       // of secret: sarama's interface has none
	secret func(context.Context) (string, error) // the password; nil: Begin is given it

	first string // our first message
	conv  *scram.ClientConversation
}

// maxRounds bounds the work that a false server can cause. The package has no such bound.
const maxRounds = 1 << 20

// Begin sets the credentials.
func (e *exchange) Begin(user, password, _ string) error {
	if e.secret != nil {
		var err error
		if password, err = e.secret(e.ctx); err != nil {
			return fmt.Errorf("SCRAM: ask for the password: %w", err)
		}
	}
	c, err := e.hash.NewClientUnprepped(user, password, "")
	if err != nil {
		return fmt.Errorf("SCRAM: %w", err)
	}
	if e.nonce != nil {
		c = c.WithNonceGenerator(e.nonce)
	}
	e.conv = c.NewConversation()
	return nil
}

// Step answers a challenge of the server; the first one is empty.
func (e *exchange) Step(challenge string) (string, error) {
	for f := range strings.SplitSeq(challenge, ",") {
		if n, ok := strings.CutPrefix(f, "i="); ok {
			if rounds, err := strconv.Atoi(n); err != nil || rounds > maxRounds {
				return "", fmt.Errorf("SCRAM: the server asks for %q rounds", n)
			}
		}
		if strings.HasPrefix(f, "r=") && strings.HasSuffix(e.first, ","+f) {
			return "", errors.New("SCRAM: the server added nothing to the nonce")
		}
	}
	answer, err := e.conv.Step(challenge)
	if err != nil {
		return "", fmt.Errorf("SCRAM: %w", err)
	}
	if e.first == "" {
		e.first = answer
	}
	return answer, nil
}

// Done reports whether the exchange is over.
func (e *exchange) Done() bool { return e.conv.Done() }
