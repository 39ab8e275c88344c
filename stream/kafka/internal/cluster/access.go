package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// Access is how to connect to a cluster.
type Access struct {
	ClientID, Rack string
	TLS            *tls.Config // nil: none
	Timeout        time.Duration
	Login          string // how to authenticate, and as whom; for errors

	worked atomic.Bool // a connection has been of use, so the listener wants what we do

	// Authenticate, if not nil, prepares a connection's configuration. ctx bounds its requests at every connection.
	Authenticate func(ctx context.Context, c *sarama.Config)
}

// dialer opens connections, with TLS if it is on. It is sarama's proxy.Dialer, whose Dial has no context; so it stores one,
// whose end makes all connecting fail.
type dialer struct {
	ctx     context.Context
	tls     *tls.Config
	timeout time.Duration
}

// Dial connects, with the handshake of TLS done.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	plain := net.Dialer{KeepAlive: 30 * time.Second}
	c, err := plain.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c = bind(d.ctx, c)
	if d.tls == nil {
		return c, nil
	}
	conf := d.tls
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		conf = conf.Clone()
		conf.ServerName = host
	}
	t := tls.Client(c, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", addr, err), c.Close())
	}
	return t, nil
}

// bound is a connection that closes when a context ends, even while it is in use.
type bound struct {
	net.Conn
	stop func() bool
}

func bind(ctx context.Context, c net.Conn) net.Conn {
	return &bound{c, context.AfterFunc(ctx, func() { _ = c.Close() })}
}

// Close closes the connection.
func (b *bound) Close() error {
	b.stop()
	return b.Conn.Close()
}

// version is the newest that sarama speaks; it speaks less to older brokers. Newer versions bring nothing that is used
// here.
var version = sarama.V3_6_0_0

// Sarama returns the configuration that all uses of sarama share. The end of ctx ends all connecting.
func (o *Access) Sarama(ctx context.Context) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = version
	c.ClientID = o.ClientID
	c.RackID = o.Rack
	c.Net.Proxy.Enable = true
	c.Net.Proxy.Dialer = &dialer{ctx: ctx, tls: o.TLS, timeout: o.Timeout}
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = o.Timeout, o.Timeout, o.Timeout
	c.Metadata.Full = false
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.Retry.Max = 2
	c.Metadata.Retry.Backoff = 100 * time.Millisecond
	if o.Authenticate != nil {
		o.Authenticate(ctx, c)
	}
	return c
}

// capture is a dialer that keeps the connection it made.
type capture struct {
	*dialer
	conn net.Conn
}

// Dial connects.
func (c *capture) Dial(network, addr string) (net.Conn, error) {
	conn, err := c.dialer.Dial(network, addr)
	c.conn = conn
	return conn, err
}

// Fetcher is a connection on which records are fetched; wire.Conn is the one.
type Fetcher interface {
	// Send sends a request, Receive reads the next answer. Requests may be outstanding.
	Send(q *wire.Request) error
	Receive(wait time.Duration, r *wire.Response, buf []byte) ([]byte, error)

	// ByID reports whether requests name topics by their ID, so that the broker notices a topic made again under its name.
	ByID() bool

	Close() error
}

// Connect opens a connection for fetches. sarama makes it, with the handshakes of TLS and SASL. Its Broker is never used
// afterwards, so sarama neither reads nor writes there.
func (o *Access) Connect(ctx context.Context, addr string) (Fetcher, error) {
	c := o.Sarama(ctx)
	keep := &capture{dialer: &dialer{ctx: ctx, tls: o.TLS, timeout: o.Timeout}}
	c.Net.Proxy.Dialer = keep
	b := sarama.NewBroker(addr)
	if err := b.Open(c); err != nil {
		return nil, err
	}
	if ok, err := b.Connected(); !ok {
		return nil, fmt.Errorf("kafka: connect to %s: %w", addr, o.explain(err))
	}
	w, err := wire.New(keep.conn, o.ClientID, o.Timeout)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka: connect to %s: %w", addr, o.explain(err)), b.Close())
	}
	o.worked.Store(true)
	return &borrowed{w, b}, nil
}

// borrowed closes, with the connection, the Broker that made it, since the Broker has a goroutine.
type borrowed struct {
	*wire.Conn
	broker *sarama.Broker
}

// Close closes the connection.
func (b *borrowed) Close() error { return b.broker.Close() }

// explain adds what usually is behind an error that says little.
func (o *Access) explain(err error) error {
	switch {
	case err == nil:
		return errors.New("not connected")
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return fmt.Errorf("%w (as %s: is it the password or token that the broker has now?)", err, o.Login)
	case (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && o.worked.Load():
		return fmt.Errorf("%w (the broker hung up: it may be starting again)", err)
	case (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && o.TLS == nil:
		return fmt.Errorf("%w (the broker hung up: does this listener want TLS or SASL?)", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w (the broker hung up: does this listener want SASL?)", err)
	}
	return err
}
