package example

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Server is an object server in memory, for tests of Store: the least that one must do. It is an http.Handler, and safe for
// concurrent use.
//
//	PUT    /bucket/name          stores an object; with If-None-Match: * only if there is none (412). Sum is its CRC-32C (400).
//	GET    /bucket/name          returns it; HEAD returns its headers. No object is 404 with Reason: NoSuchObject.
//	POST   /bucket/name?to=name  renames it in one step; with If-None-Match: * only if there is none (412)
//	DELETE /bucket/name          deletes it
//	GET    /bucket?prefix=p&after=a&max=n   lists up to n objects in the order of their names, as JSON
type Server struct {
	bucket, token string

	mu      sync.Mutex
	objects map[string]object
}

// object is immutable.
type object struct {
	body []byte
	id   string // the Identity header of its PUT; it stays when the object gets another name
}

// NewServer makes a Server with one bucket, for those who have the token.
func NewServer(bucket, token string) *Server {
	return &Server{bucket: bucket, token: token, objects: map[string]object{}}
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		panic(http.ErrAbortHandler)
	case r.Header.Get("Authorization") != "Bearer "+s.token:
		refuse(w, http.StatusUnauthorized, "BadToken")
	case bucket != s.bucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case !utf8.ValidString(name):
		refuse(w, http.StatusBadRequest, "BadName") // JSON has no form for it
	case name == "":
		s.list(w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get(w, r, name)
	default:
		s.change(w, r, name, body)
	}
}

func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Reason", reason)
	w.WriteHeader(status)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	o, ok := s.objects[name]
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchObject")
		return
	}
	if q := r.URL.Query(); q.Has("offset") {
		offset, err := strconv.Atoi(q.Get("offset"))
		length, err2 := strconv.Atoi(q.Get("length"))
		if err != nil || err2 != nil || offset < 0 || length < 0 || offset > len(o.body) || length > len(o.body)-offset {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "BadRange")
			return
		}
		o.body = o.body[offset : offset+length]
	}
	w.Header().Set("Identity", o.id)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
	_, _ = w.Write(o.body) // the client is gone, or reads it
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, exists := s.objects[name]
	to := r.URL.Query().Get("to")
	_, taken := s.objects[to]
	only := r.Header.Get("If-None-Match") == "*"
	switch {
	case r.Method == http.MethodPut && sum(body) != r.Header.Get("Sum"):
		refuse(w, http.StatusBadRequest, "BadSum")
	case r.Method == http.MethodPut && only && exists:
		refuse(w, http.StatusPreconditionFailed, "Exists")
	case r.Method == http.MethodPut:
		s.objects[name] = object{body, r.Header.Get("Identity")}
		w.WriteHeader(http.StatusCreated)
	case !exists:
		refuse(w, http.StatusNotFound, "NoSuchObject")
	case r.Method == http.MethodDelete:
		delete(s.objects, name)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && only && taken:
		refuse(w, http.StatusPreconditionFailed, "Exists")
	case r.Method == http.MethodPost && to != "":
		s.objects[to] = old
		delete(s.objects, name)
		w.WriteHeader(http.StatusCreated)
	default:
		refuse(w, http.StatusMethodNotAllowed, "BadMethod")
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	prefix, after := q.Get("prefix"), q.Get("after")
	most, err := strconv.Atoi(q.Get("max"))
	if err != nil || most < 1 {
		refuse(w, http.StatusBadRequest, "BadMax")
		return
	}
	p := page{Objects: []entry{}}
	s.mu.Lock()
	for name, o := range s.objects {
		if strings.HasPrefix(name, prefix) && name > after {
			p.Objects = append(p.Objects, entry{name, int64(len(o.body))})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(p.Objects, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	if len(p.Objects) > most {
		p.Objects, p.More = p.Objects[:most], true
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(p) // the client is gone, or reads it
}
