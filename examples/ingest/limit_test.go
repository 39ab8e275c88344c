package main

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// eager is a listener on which somebody always connects.
type eager struct{ net.Listener }

func (eager) Accept() (net.Conn, error) {
	c, _ := net.Pipe()
	return c, nil
}

func (eager) Close() error { return nil }

// Connections beyond the limit wait until another ends, or the listener is closed.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit(eager{}, 2)
		var open []net.Conn
		for range 2 {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		accepted := make(chan error, 1)
		accept := func() {
			_, err := l.Accept()
			accepted <- err
		}
		go accept()
		if synctest.Wait(); len(accepted) > 0 {
			t.Error("a third connection is open")
		}
		for range 2 { // to close it twice makes room for one
			_ = open[0].Close()
		}
		if err := <-accepted; err != nil {
			t.Error(err)
		}
		go accept()
		if synctest.Wait(); len(accepted) > 0 {
			t.Error("a third connection is open")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed listener says %v", err)
		}
	})
}
