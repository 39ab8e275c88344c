package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// The exchange of RFC 7677, section 3.
func TestSCRAMSaysWhatTheRFCSays(t *testing.T) {
	s := &exchange{hash: scram.SHA256, nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }}
	if err := s.Begin("user", "pencil", ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ challenge, want string }{
		{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
		{
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	} {
		if got, err := s.Step(c.challenge); err != nil || got != c.want {
			t.Fatalf("to %q: got %q, %v, want %q", c.challenge, got, err, c.want)
		}
	}
	if !s.Done() {
		t.Error("not done")
	}
}

// A password that was changed while the job ran could not be told to it.
func TestSCRAMAsksForThePasswordAtEveryConnection(t *testing.T) {
	passwords := []string{"old", "pencil"}
	secret := func(context.Context) (string, error) {
		if len(passwords) == 0 {
			return "", errors.New("no secret is mounted")
		}
		p := passwords[0]
		passwords = passwords[1:]
		return p, nil
	}
	const challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	const right = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	for i := range 3 {
		s := &exchange{hash: scram.SHA256, nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }, ctx: t.Context(), secret: secret}
		if err := s.Begin("user", "", ""); err != nil {
			if i < 2 || !strings.Contains(err.Error(), "no secret is mounted") {
				t.Fatalf("connection %d: %v", i, err)
			}
			return
		}
		if _, err := s.Step(""); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Step(challenge); err != nil || strings.HasSuffix(got, right) != (i == 1) {
			t.Errorf("connection %d proves %q, %v", i, got, err)
		}
	}
	t.Error("the third connection had a password")
}

func TestOnlySCRAMAsksForItsPassword(t *testing.T) {
	secret := func(context.Context) (string, error) { return "x", nil }
	for sasl, fits := range map[*SASL]bool{
		SCRAM256("a", "").Rotating(secret): true, SCRAM512("a", "").Rotating(secret): true, Plain("a", "").Rotating(secret): false,
	} {
		o := &Options{SASL: sasl, AllowPlaintextSecrets: true}
		f, err := o.fill()
		if (err == nil) != fits {
			t.Errorf("%v: got %v, want that it fits: %v", sasl, err, fits)
		}
		if err == nil {
			if err := f.access().Sarama(t.Context()).Validate(); err != nil {
				t.Errorf("%v without a password: the client says %v", sasl, err)
			}
		}
	}
}

func TestSCRAMRefusesAServerThatDoesNotKnowThePassword(t *testing.T) {
	for name, challenges := range map[string][]string{
		"another nonce":    {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		"the same nonce":   {"r=mine,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		"too few rounds":   {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1"},
		"too many rounds":  {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000"},
		"no salt":          {"r=mine1,s=?,i=4096"},
		"nothing":          {""},
		"wrong signature":  {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
		"an error":         {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "e=invalid-proof"},
		"no signature":     {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ""},
		"a step too many":  {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=", "v="},
		"an empty message": {"r=mine1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v="},
	} {
		s := &exchange{hash: scram.SHA256, nonce: func() string { return "mine" }}
		if err := s.Begin("u,=", "p", ""); err != nil {
			t.Fatal(err)
		}
		first, err := s.Step("")
		if err != nil || !strings.Contains(first, "n=u=2C=3D,") {
			t.Fatalf("%q, %v", first, err)
		}
		for _, c := range challenges {
			_, err = s.Step(c)
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
