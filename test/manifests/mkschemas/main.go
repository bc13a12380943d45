// Command mkschemas writes the schemas that the manifests are validated against: what
// kube-apiserver of each supported Kubernetes publishes about the kinds that the manifests hold.
//
//	cd test/manifests && go generate
//
// It reads api/openapi-spec/swagger.json of the Go module k8s.io/kubernetes in each version,
// about 40 MB to download for each. A line of its output is one definition and the versions that
// have it so, without descriptions.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The latest patch of each minor version that the module proxy had.
var versions = []string{"v1.30.14", "v1.31.14", "v1.32.13", "v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3"}

// The kinds that the manifests hold.
var roots = []string{
	"io.k8s.api.apps.v1.Deployment",
	"io.k8s.api.core.v1.ConfigMap",
	"io.k8s.api.core.v1.Namespace",
	"io.k8s.api.core.v1.PersistentVolumeClaim",
	"io.k8s.api.core.v1.Secret",
	"io.k8s.api.core.v1.ServiceAccount",
	"io.k8s.api.networking.v1.NetworkPolicy",
	"io.k8s.api.rbac.v1.ClusterRole",
	"io.k8s.api.rbac.v1.ClusterRoleBinding",
	"io.k8s.api.scheduling.v1.PriorityClass",
}

// definition is a line of the output.
type definition struct {
	Name   string          `json:"name"`
	In     []string        `json:"in"`
	Schema json.RawMessage `json:"schema"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mkschemas FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mkschemas:", err)
		os.Exit(1)
	}
}

func write(name string) error {
	found := map[string]*definition{} // by name and schema
	for _, version := range versions {
		all, err := published(version)
		if err != nil {
			return fmt.Errorf("reading what Kubernetes %s publishes: %w", version, err)
		}
		todo, seen := slices.Clone(roots), map[string]bool{}
		for len(todo) > 0 {
			name := todo[0]
			todo = todo[1:]
			if seen[name] {
				continue
			}
			seen[name] = true
			schema, ok := all[name]
			if !ok {
				return fmt.Errorf("Kubernetes %s has no %s", version, name)
			}
			todo = append(todo, reduce(schema)...)
			text, err := json.Marshal(schema)
			if err != nil {
				return err
			}
			key := name + " " + string(text)
			if found[key] == nil {
				found[key] = &definition{Name: name, Schema: text}
			}
			found[key].In = append(found[key].In, version)
		}
	}
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if err := lines.Encode(found[key]); err != nil {
			return err
		}
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// published returns the definitions in a version's swagger.json.
func published(version string) (map[string]any, error) {
	out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@"+version).Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || module.Error != "" {
		return nil, fmt.Errorf("go mod download: %s %w", module.Error, err)
	}
	data, err := os.ReadFile(filepath.Join(module.Dir, "api/openapi-spec/swagger.json"))
	if err != nil {
		return nil, err
	}
	var swagger struct{ Definitions map[string]any }
	err = json.Unmarshal(data, &swagger)
	return swagger.Definitions, err
}

// reduce takes out of a schema what nothing is validated by, and returns the names that it
// refers to. Properties may have the names of keywords: "description" is one only where it is a
// text.
func reduce(schema any) (refs []string) {
	switch s := schema.(type) {
	case map[string]any:
		for key, value := range s {
			if _, text := value.(string); text && key == "description" || strings.HasPrefix(key, "x-kubernetes-") {
				delete(s, key)
				continue
			}
			if ref, ok := value.(string); ok && key == "$ref" {
				refs = append(refs, strings.TrimPrefix(ref, "#/definitions/"))
			}
			refs = append(refs, reduce(value)...)
		}
	case []any:
		for _, value := range s {
			refs = append(refs, reduce(value)...)
		}
	}
	return refs
}
