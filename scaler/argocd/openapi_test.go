package argocd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/scaler"
)

// published is the module whose published description of the API the requests and the double are checked against.
const published = "github.com/argoproj/argo-cd/v3@v3.5.7"

// schema is as much of a schema of OpenAPI 2 as Argo CD uses.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 string             `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties *schema            `json:"additionalProperties"`
}

type parameter struct {
	Name, In string
	Required bool
	Schema   *schema
}

type description struct {
	Paths map[string]map[string]struct {
		Parameters []parameter
		Responses  map[string]struct{ Schema *schema }
	}
	Definitions map[string]*schema
}

func describe(t *testing.T) *description {
	t.Helper()
	if os.Getenv("ONCEFLOW_SERVERS") != "1" {
		t.Skip("needs Argo CD's module: set ONCEFLOW_SERVERS=1 (make test does)")
	}
	out, err := exec.Command("go", "mod", "download", "-json", published).Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Fatalf("download %s: %v: %s", published, err, out)
	}
	b, err := os.ReadFile(filepath.Join(module.Dir, "assets", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// check says what in a value is not as the schema has it.
func (d *description) check(s *schema, v any, at string) (faults []string) {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		return d.check(d.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")], v, at)
	}
	ok := true
	switch is := v.(type) {
	case map[string]any:
		ok = s.Type == "object" || s.Type == ""
		for key, value := range is {
			p := s.Properties[key]
			if p == nil {
				p = s.AdditionalProperties
			}
			if p == nil && len(s.Properties) > 0 {
				faults = append(faults, fmt.Sprintf("%s.%s is not described", at, key))
			}
			faults = append(faults, d.check(p, value, at+"."+key)...)
		}
	case []any:
		ok = s.Type == "array"
		for i, value := range is {
			faults = append(faults, d.check(s.Items, value, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case string:
		ok = s.Type == "string"
	case float64:
		// A count of Kustomize is a number or a text in its JSON; the description shows its fields in the program instead.
		ok = s.Type == "integer" || s.Type == "number" || s.Properties["intVal"] != nil
	case bool:
		ok = s.Type == "boolean"
	}
	if !ok {
		faults = append(faults, fmt.Sprintf("%s is a %T, described as %s", at, v, s.Type))
	}
	return faults
}

// checkExchange checks a request and its reply.
func (d *description) checkExchange(e exchange) (faults []string) {
	path := strings.Replace(e.path, "/applications/etl", "/applications/{name}", 1)
	method, ok := d.Paths[path][strings.ToLower(e.method)]
	if !ok {
		return []string{"there is no such path and method"}
	}
	declared := map[string]bool{}
	for _, p := range method.Parameters {
		declared[p.In+" "+p.Name] = true
		if p.In == "body" {
			var body any
			if err := json.Unmarshal(e.request, &body); err != nil {
				return []string{err.Error()}
			}
			faults = append(faults, d.check(p.Schema, body, "request")...)
		}
	}
	for name := range e.query {
		if !declared["query "+name] {
			faults = append(faults, "query parameter "+name+" is not described")
		}
	}
	response := method.Responses["default"]
	if e.status == 200 {
		response = method.Responses["200"]
	}
	var reply any
	if err := json.Unmarshal(e.reply, &reply); err != nil {
		return append(faults, err.Error())
	}
	return append(faults, d.check(response.Schema, reply, "reply")...)
}

func TestRequestsAndTheDoubleAreAsThePublishedDescriptionSays(t *testing.T) {
	api := describe(t)
	var calls []exchange
	for _, edit := range []func(*ApplicationConfig){
		func(c *ApplicationConfig) { c.Sync, c.Namespace, c.Project = true, "argocd", "default" },
		func(c *ApplicationConfig) { c.Copies, c.Kustomize = "", "etl" },
	} {
		d := newDouble(t, helmApp)
		a := open(t, d, edit)
		if err := a.Resize(t.Context(), scaler.Change{From: copies(4), To: copies(8)}); err != nil {
			t.Fatal(err)
		}
		d.fail["GET /etl"] = 1
		if _, err := a.Size(t.Context()); err == nil {
			t.Fatal("no failure")
		}
		calls = append(calls, d.calls...)
	}
	seen := map[string]bool{}
	for _, e := range calls {
		seen[fmt.Sprint(e.method, e.status)] = true
		for _, f := range api.checkExchange(e) {
			t.Errorf("%s %s: %s", e.method, e.path, f)
		}
	}
	for _, want := range []string{"GET200", "GET503", "PATCH200", "POST200"} {
		if !seen[want] {
			t.Errorf("no %s was checked", want)
		}
	}
	// The check must see a fault, or it shows nothing.
	bad := calls[0]
	bad.reply = []byte(`{"spec":{"source":{"helm":{"parameters":[{"name":7,"valeu":"4"}]}}}}`)
	if got := api.checkExchange(bad); len(got) != 2 {
		t.Errorf("a reply with two faults has %q", got)
	}
}
