package kafka

import (
	"context"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// SASL is a way to authenticate. However it is printed, it shows no secret.
type SASL struct {
	mechanism      sarama.SASLMechanism
	user, password string
	token          func(context.Context) (Token, error)
	secret         func(context.Context) (string, error) // instead of password; nil: none
	bare           bool                                  // the secret itself goes over the wire
}

// Token is what OAUTHBEARER sends.
type Token struct {
	Value      string
	Extensions map[string]string
}

// String hides the token.
func (Token) String() string { return "***" }

// GoString hides the token.
func (Token) GoString() string { return "***" }

// SCRAM256 authenticates by SCRAM-SHA-256, which does not send the password.
func SCRAM256(user, password string) *SASL {
	return &SASL{mechanism: sarama.SASLTypeSCRAMSHA256, user: user, password: password}
}

// SCRAM512 authenticates by SCRAM-SHA-512, which does not send the password.
func SCRAM512(user, password string) *SASL {
	return &SASL{mechanism: sarama.SASLTypeSCRAMSHA512, user: user, password: password}
}

// Plain authenticates by sending user and password.
func Plain(user, password string) *SASL {
	return &SASL{mechanism: sarama.SASLTypePlaintext, user: user, password: password, bare: true}
}

// Rotating returns a copy that asks for the password at every connection, so that it may be changed while the job runs: from
// a file that a secret is mounted as, say. Connections that are open stay open. Only SCRAM can do that; OAuthBearer asks for
// its token anyway. password must be safe for concurrent use.
func (s *SASL) Rotating(password func(context.Context) (string, error)) *SASL {
	r := *s
	r.secret = password
	return &r
}

// OAuthBearer authenticates by a token, which is asked for at every connection. AWS MSK's IAM tokens are of this kind.
func OAuthBearer(token func(context.Context) (Token, error)) *SASL {
	return &SASL{mechanism: sarama.SASLTypeOAuth, token: token, bare: true}
}

// String tells mechanism and user.
func (s *SASL) String() string {
	if s == nil {
		return "none"
	}
	return string(s.mechanism) + " " + s.user
}

// GoString is String: %#v shows no secret either.
func (s *SASL) GoString() string { return s.String() }

// MarshalText is String: encoders and structured loggers show no secret either.
func (s *SASL) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// apply sets c up. ctx bounds the calls for a token.
func (s *SASL) apply(ctx context.Context, c *sarama.Config) {
	if s == nil {
		return
	}
	n := &c.Net.SASL
	n.Enable, n.Mechanism, n.User, n.Password = true, s.mechanism, s.user, s.password
	if s.secret != nil {
		n.Password = "asked for at every connection" // sarama wants one
	}
	switch s.mechanism {
	case sarama.SASLTypeOAuth:
		n.TokenProvider = tokens{ctx, s.token}
	case sarama.SASLTypeSCRAMSHA256:
		n.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &exchange{hash: scram.SHA256, ctx: ctx, secret: s.secret} }
	case sarama.SASLTypeSCRAMSHA512:
		n.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &exchange{hash: scram.SHA512, ctx: ctx, secret: s.secret} }
	}
}

// tokens is a sarama.AccessTokenProvider, whose method has no context; so it stores one.
type tokens struct {
	ctx context.Context
	get func(context.Context) (Token, error)
}

// Token asks for a token.
func (t tokens) Token() (*sarama.AccessToken, error) {
	tok, err := t.get(t.ctx)
	if err != nil {
		return nil, err
	}
	return &sarama.AccessToken{Token: tok.Value, Extensions: tok.Extensions}, nil
}
