package main

import (
	"net"
	"sync"
)

// limited is a listener that has at most cap(open) connections. Others wait in the system's queue.
type limited struct {
	net.Listener
	open  chan struct{}
	ended chan struct{}
	end   sync.Once
}

func limit(l net.Listener, most int) *limited {
	return &limited{Listener: l, open: make(chan struct{}, most), ended: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.open <- struct{}{}:
	case <-l.ended:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &limitedConn{Conn: c, open: l.open}, nil
}

func (l *limited) Close() error {
	l.end.Do(func() { close(l.ended) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	open chan struct{}
	end  sync.Once
}

func (c *limitedConn) Close() error {
	defer c.end.Do(func() { <-c.open })
	return c.Conn.Close()
}
