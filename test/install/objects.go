// Package install is what the tests of installing share, with kustomize and with Helm: it renders what kustomize is
// given, and runs an installed Deployment as a kubelet would. It installs nothing itself.
package install

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Kustomize is kubectl kustomize of a folder beside manifests that holds a kustomization.yaml with this text and
// nothing else. manifests is the folder of that name.
func Kustomize(tb testing.TB, manifests, text string) []*unstructured.Unstructured {
	tb.Helper()
	files := filesys.MakeFsInMemory()
	if err := files.WriteFile("/mine/kustomization.yaml", []byte(text)); err != nil {
		tb.Fatal(err)
	}
	folder := os.DirFS(manifests)
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yaml" || !d.Type().IsRegular() {
			return err
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		return files.WriteFile(path.Join("/manifests", name), data)
	})
	if err != nil {
		tb.Fatal(err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/mine")
	if err != nil {
		tb.Fatalf("%v\nof the kustomization\n%s", err, text)
	}
	rendered, err := resources.AsYaml()
	if err != nil {
		tb.Fatal(err)
	}
	return Objects(tb, text, rendered)
}

// Objects decodes YAML documents; empty ones are left out. what names them where they are wrong.
func Objects(tb testing.TB, what string, text []byte) (all []*unstructured.Unstructured) {
	tb.Helper()
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var o unstructured.Unstructured
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			tb.Fatalf("%s: %v", what, err)
		}
		if len(o.Object) > 0 {
			all = append(all, &o)
		}
	}
}

// One finds the only object of a kind and decodes it; nil if there is none.
func One[T any](tb testing.TB, all []*unstructured.Unstructured, kind string) *T {
	tb.Helper()
	var found *T
	for _, o := range all {
		if o.GetKind() != kind {
			continue
		}
		if found != nil {
			tb.Fatalf("there are several objects of kind %s", kind)
		}
		found = new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, found); err != nil {
			tb.Fatalf("%s %s: %v", kind, o.GetName(), err)
		}
	}
	return found
}
