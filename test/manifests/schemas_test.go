package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// schemas are the definitions of each version of Kubernetes by name, as mkschemas wrote them.
func schemas(t *testing.T) map[string]map[string]*spec.Schema {
	t.Helper()
	data, err := os.ReadFile("testdata/schemas.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]*spec.Schema{}
	for decoder := json.NewDecoder(bytes.NewReader(data)); ; {
		var d struct {
			Name   string
			In     []string
			Schema *spec.Schema
		}
		if err := decoder.Decode(&d); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, version := range d.In {
			if all[version] == nil {
				all[version] = map[string]*spec.Schema{}
			}
			all[version][d.Name] = d.Schema
		}
	}
	return all
}

// strict returns a schema with every reference replaced by what it refers to, and with no place
// for fields that it does not know.
func strict(all map[string]*spec.Schema, s spec.Schema) *spec.Schema {
	if ref := s.Ref.String(); ref != "" {
		return strict(all, *all[strings.TrimPrefix(ref, "#/definitions/")])
	}
	if s.Format == "int-or-string" {
		s.Type, s.Format = spec.StringOrArray{"integer", "string"}, ""
	}
	if s.Properties != nil {
		properties := map[string]spec.Schema{}
		for name, property := range s.Properties {
			properties[name] = *strict(all, property)
		}
		s.Properties = properties
		s.AdditionalProperties = &spec.SchemaOrBool{Allows: false}
	} else if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		s.AdditionalProperties = &spec.SchemaOrBool{Allows: true, Schema: strict(all, *s.AdditionalProperties.Schema)}
	}
	if s.Items != nil {
		s.Items = &spec.SchemaOrArray{Schema: strict(all, *s.Items.Schema)}
	}
	return &s
}

// groups are the packages of the API's groups in the definitions' names.
var groups = map[string]string{"": "core", "apps": "apps", "networking.k8s.io": "networking",
	"rbac.authorization.k8s.io": "rbac", "scheduling.k8s.io": "scheduling"}

// invalid says what a version of Kubernetes finds wrong with an object.
func invalid(all map[string]*spec.Schema, o *unstructured.Unstructured) error {
	kind := o.GroupVersionKind()
	name := fmt.Sprintf("io.k8s.api.%s.%s.%s", groups[kind.Group], kind.Version, kind.Kind)
	schema := all[name]
	if schema == nil {
		return fmt.Errorf("there is no schema of %s", name)
	}
	return validate.AgainstSchema(strict(all, *schema), o.Object, strfmt.Default)
}

func TestSchemas(t *testing.T) {
	versions := schemas(t)
	for i, version := range slices.Sorted(maps.Keys(versions)) {
		if !strings.HasPrefix(version, fmt.Sprintf("v1.%d.", 30+i)) {
			t.Fatalf("schema %d is of %s: a version is missing", i, version)
		}
		for _, folder := range folders {
			for _, o := range render(t, folder) {
				if err := invalid(versions[version], o); err != nil {
					t.Errorf("%s, %s of %s: %v", version, o.GetKind(), folder, err)
				}
			}
		}
		for _, o := range examples(t) {
			if err := invalid(versions[version], o); err != nil {
				t.Errorf("%s, the example of a Secret: %v", version, err)
			}
		}
	}
	if len(versions) != 7 {
		t.Errorf("there are schemas of %d versions", len(versions))
	}
}

// A validation that finds nothing wrong proves something only if it can.
func TestSchemasAreStrict(t *testing.T) {
	versions := schemas(t)
	container := []string{"spec", "template", "spec", "containers"}
	for name, test := range map[string]struct {
		spoil func(o map[string]any)
		in    []string // versions that refuse it; none: all
	}{
		"unknown field":    {func(o map[string]any) { set(o, int64(3), "spec", "template", "spec", "replica") }, nil},
		"of the container": {func(o map[string]any) { first(o, container...)["readOnlyRootFilesystem"] = true }, nil},
		"wrong type":       {func(o map[string]any) { set(o, "one", "spec", "replicas") }, nil},
		"missing":          {func(o map[string]any) { delete(first(o, container...), "name") }, nil},
		"label":            {func(o map[string]any) { set(o, int64(1), "metadata", "labels", "version") }, nil},
		"port": {func(o map[string]any) {
			set(first(o, container...), true, "livenessProbe", "httpGet", "port")
		}, nil},
		// Kubernetes 1.32 brought resources of a whole pod.
		"newer than the cluster": {func(o map[string]any) {
			set(o, map[string]any{"limits": map[string]any{"memory": "1Gi"}}, "spec", "template", "spec", "resources")
		}, []string{"v1.30.14", "v1.31.14"}},
	} {
		t.Run(name, func(t *testing.T) {
			for version, all := range versions {
				for _, o := range render(t, "base") {
					if o.GetKind() != "Deployment" {
						continue
					}
					test.spoil(o.Object)
					err := invalid(all, o)
					if want := test.in == nil || slices.Contains(test.in, version); (err != nil) != want {
						t.Errorf("%s says %v", version, err)
					}
				}
			}
		})
	}
}

func set(o map[string]any, value any, fields ...string) {
	if err := unstructured.SetNestedField(o, value, fields...); err != nil {
		panic(err)
	}
}

// first is the first element of a list, to be changed.
func first(o map[string]any, fields ...string) map[string]any {
	list, _, err := unstructured.NestedFieldNoCopy(o, fields...)
	if err != nil {
		panic(err)
	}
	return list.([]any)[0].(map[string]any)
}
