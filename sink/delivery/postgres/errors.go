package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/onceflow/onceflow/sink/delivery"
)

// The classes of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	classData       = "22" // a value that a column cannot have
	classConstraint = "23"
	classLogin      = "28"
	codePrivilege   = "42501"
	codeCopyFailed  = "57014" // of a COPY that the client gave up, and of statements that were cancelled
	codeBinary      = "22P03" // bytes that are not of the column's type: not the rows, but what we know of the table is wrong
)

// badValue is a value that pgx could not encode for its column.
type badValue struct{ err error }

func (b *badValue) Error() string { return b.err.Error() }
func (b *badValue) Unwrap() error { return b.err }

// isBad reports whether rows are to blame for an error, and not the server, the connection or the schema.
func isBad(err error) bool {
	var value *badValue
	if errors.As(err, &value) {
		return true
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code != codeBinary && slices.Contains([]string{classData, classConstraint}, pg.Code[:min(2, len(pg.Code))])
}

// blame finds out why a COPY failed. If pgx cannot encode a value it gives the COPY up, and all that the server then says is that
// the client did.
func (s *source) blame(conn *pgx.Conn, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != codeCopyFailed || s.next < 1 || s.next > len(s.rows) {
		return err
	}
	for i, v := range s.rows[s.next-1].values {
		if _, e := conn.TypeMap().Encode(s.oids[i], pgtype.BinaryFormatCode, v, nil); e != nil {
			return &badValue{fmt.Errorf("column %s: %w", s.names[i], e)}
		}
	}
	return err
}

// classified lets the delivery tell refused access from what may pass by itself.
func classified(err error) error {
	var pg *pgconn.PgError
	if !errors.Is(err, delivery.ErrRefused) && errors.As(err, &pg) && (strings.HasPrefix(pg.Code, classLogin) || pg.Code == codePrivilege) {
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// reason is an error for the table of rejects.
func reason(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return text(err.Error())
	}
	s := pg.Message + " (SQLSTATE " + pg.Code + ")"
	if pg.Detail != "" {
		s += ": " + pg.Detail
	}
	if pg.Where != "" {
		s += "; " + pg.Where
	}
	return text(s)
}

// text is s as PostgreSQL takes it: without NUL bytes, and in UTF-8.
func text(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\ufffd"), "\ufffd")
}
