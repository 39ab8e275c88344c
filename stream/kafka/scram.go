package kafka

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// scram is the client side of SCRAM (RFC 5802), as Kafka speaks it: no channel binding, and names and passwords taken as
// they are, since the broker does not prepare them either. It is used once.
type scram struct {
	hash func() hash.Hash
	size int

	user, password string
	nonce, first   string
	verify         []byte // what the server must prove to know; set by the second step
	step           int
	done           bool
}

// maxRounds bounds the work that a false server can put on us.
const maxRounds = 1 << 20

// Begin sets the credentials.
func (s *scram) Begin(user, password, _ string) error {
	s.user, s.password, s.nonce = user, password, rand.Text()
	return nil
}

// Step answers a challenge of the server; the first one is empty.
func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		s.first = "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.user) + ",r=" + s.nonce
		return "n,," + s.first, nil
	case 2:
		return s.prove(challenge)
	case 3:
		s.done = true
		return "", s.check(challenge)
	}
	return "", errors.New("SCRAM: a step too many")
}

// Done reports whether the exchange is over.
func (s *scram) Done() bool { return s.done }

func (s *scram) prove(challenge string) (string, error) {
	f := fields(challenge)
	salt, err := base64.StdEncoding.DecodeString(f["s"])
	rounds, err2 := strconv.Atoi(f["i"])
	if err := errors.Join(err, err2); err != nil {
		return "", fmt.Errorf("SCRAM: malformed challenge: %w", err)
	}
	if !strings.HasPrefix(f["r"], s.nonce) || len(f["r"]) == len(s.nonce) || rounds < 4096 || rounds > maxRounds {
		return "", fmt.Errorf("SCRAM: challenge with a wrong nonce or %d rounds", rounds)
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, rounds, s.size)
	if err != nil {
		return "", err
	}
	final := "c=biws,r=" + f["r"]
	message := s.first + "," + challenge + "," + final
	key := s.mac(salted, "Client Key")
	h := s.hash()
	h.Write(key)
	signature := s.mac(h.Sum(nil), message)
	subtle.XORBytes(key, key, signature)
	s.verify = s.mac(s.mac(salted, "Server Key"), message)
	return final + ",p=" + base64.StdEncoding.EncodeToString(key), nil
}

func (s *scram) check(challenge string) error {
	f := fields(challenge)
	if e := f["e"]; e != "" {
		return fmt.Errorf("SCRAM: %s", e)
	}
	got, err := base64.StdEncoding.DecodeString(f["v"])
	if err != nil || !hmac.Equal(got, s.verify) {
		return errors.New("SCRAM: the server does not know the password")
	}
	return nil
}

func (s *scram) mac(key []byte, message string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// fields splits "a=1,b=2".
func fields(s string) map[string]string {
	m := map[string]string{}
	for _, f := range strings.Split(s, ",") {
		if k, v, ok := strings.Cut(f, "="); ok {
			m[k] = v
		}
	}
	return m
}
