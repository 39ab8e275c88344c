package argocd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// double stands for Argo CD's API server with one application. It applies JSON patches as the real one does: to the
// application as it is at that moment, all operations or none, and it answers an error of its own making with 500.
type double struct {
	*httptest.Server
	mu     sync.Mutex
	app    map[string]any
	syncs  int
	calls  []exchange
	before func() // called before a patch is applied
	fail   map[string]int
}

// exchange is one request and its reply, for the check against the API's description.
type exchange struct {
	method, path string
	query        map[string][]string
	request      []byte
	status       int
	reply        []byte
}

func newDouble(t *testing.T, app string) *double {
	t.Helper()
	d := &double{fail: map[string]int{}}
	if err := json.Unmarshal([]byte(app), &d.app); err != nil {
		t.Fatal(err)
	}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request json.RawMessage
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	status, reply := d.answer(r, request)
	body, _ := json.Marshal(reply)
	w.WriteHeader(status)
	w.Write(body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, exchange{r.Method, r.URL.Path, r.URL.Query(), request, status, body})
}

func failure(code int, message string) map[string]any {
	return map[string]any{"error": message, "code": code, "message": message}
}

func (d *double) answer(r *http.Request, request []byte) (int, any) {
	if r.Header.Get("Authorization") != "Bearer secret" {
		return http.StatusUnauthorized, failure(16, "invalid session")
	}
	what := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1/applications")
	if d.fail[what] > 0 {
		d.fail[what]--
		return http.StatusServiceUnavailable, failure(14, "unavailable")
	}
	switch what {
	case "GET /etl":
		return http.StatusOK, d.copy()
	case "PATCH /etl":
		if d.before != nil {
			d.before()
		}
		var q struct{ Name, Patch, PatchType string }
		if err := json.Unmarshal(request, &q); err != nil || q.PatchType != "json" || q.Name != "etl" {
			return http.StatusBadRequest, failure(3, "bad request")
		}
		if err := d.patch(q.Patch); err != nil {
			return http.StatusInternalServerError, failure(2, "error applying patch: "+err.Error())
		}
		return http.StatusOK, d.copy()
	case "POST /etl/sync":
		d.syncs++
		return http.StatusOK, d.copy()
	}
	return http.StatusForbidden, failure(7, "permission denied")
}

func (d *double) copy() (c map[string]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, _ := json.Marshal(d.app)
	json.Unmarshal(b, &c)
	return c
}

// patch applies test and replace operations, all or none.
func (d *double) patch(text string) error {
	var ops []struct {
		Op, Path string
		Value    any
	}
	if err := json.Unmarshal([]byte(text), &ops); err != nil {
		return err
	}
	app := d.copy()
	for _, op := range ops {
		parts := strings.Split(op.Path, "/")[1:]
		at := any(app)
		for _, p := range parts[:len(parts)-1] {
			at = child(at, p)
		}
		last := parts[len(parts)-1]
		parent, ok := at.(map[string]any)
		if !ok || parent[last] == nil {
			return fmt.Errorf("path %s is not there", op.Path)
		}
		switch op.Op {
		case "test":
			if !reflect.DeepEqual(parent[last], op.Value) {
				return fmt.Errorf("testing value %s failed", op.Path)
			}
		case "replace":
			parent[last] = op.Value
		default:
			return fmt.Errorf("operation %s", op.Op)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.app = app
	return nil
}

func child(v any, key string) any {
	switch at := v.(type) {
	case map[string]any:
		return at[key]
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i < len(at) {
			return at[i]
		}
	}
	return nil
}
