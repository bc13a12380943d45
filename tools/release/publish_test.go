package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// server is a registry that can be told to refuse requests.
type server struct {
	host string

	mu sync.Mutex
	// refuse returns the status for a request, 0 to let it pass.
	refuse func(method, path string) int
	puts   []string // the manifests that were put, by repository and reference
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	real := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		status := 0
		if s.refuse != nil {
			status = s.refuse(r.Method, r.URL.Path)
		}
		if path, ok := strings.CutPrefix(r.URL.Path, "/v2/"); ok && status == 0 && r.Method == "PUT" {
			if repository, reference, ok := strings.Cut(path, "/manifests/"); ok {
				s.puts = append(s.puts, repository+":"+reference)
			}
		}
		s.mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.host = strings.TrimPrefix(web.URL, "http://")
	return s
}

func (s *server) set(refuse func(method, path string) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// tags are the tags that were set since the last call, in this order.
func (s *server) tags() (tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, put := range s.puts {
		if !strings.Contains(put, ":sha256:") {
			tags = append(tags, put)
		}
	}
	s.puts = nil
	return tags
}

// tagged is one repository's digest under a tag, "" if there is none.
func (s *server) digest(t *testing.T, ref string) string {
	t.Helper()
	tag, err := name.NewTag(s.host + "/" + ref)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := tagged(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	if hash == (v1.Hash{}) {
		return ""
	}
	return hash.String()
}

// made is a release's folder with images of random content, and what is asked for when it is published.
func made(t *testing.T, registry string) (config, commit) {
	t.Helper()
	c := config{out: t.TempDir(), version: "v1.0.0", registry: registry}
	found := commit{revision: strings.Repeat("a", 40), time: at}
	if err := os.Mkdir(c.folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	r := release{Version: c.version, Revision: found.revision}
	for _, n := range []struct{ name, tag string }{{programName, "v1.0.0"}, {demoName, "v1.0.0"}, {chartName, "1.0.0"}} {
		image, err := random.Image(1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		a := artefact{Name: n.name, Repository: c.repository(n.name), Tag: n.tag, File: n.name + ".oci.tar"}
		if a.Digest, err = writeIndex(filepath.Join(c.folder(), a.File), []v1.Image{image}, n.tag, at); err != nil {
			t.Fatal(err)
		}
		r.Artefacts = append(r.Artefacts, a)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.folder(), releaseFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeSums(c.folder()); err != nil {
		t.Fatal(err)
	}
	return c, found
}

// publishIt does what run does with a folder that is made.
func publishIt(t *testing.T, c config, found commit) error {
	t.Helper()
	if err := notPublished(t.Context(), c); err != nil {
		return err
	}
	r, err := readRelease(c, found)
	if err != nil {
		return err
	}
	return publish(t.Context(), c, r, io.Discard)
}

func saysThat(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestPublish(t *testing.T) {
	s := serve(t)
	c, found := made(t, s.host+"/team")
	if err := publishIt(t, c, found); err != nil {
		t.Fatal(err)
	}
	want := "team/rollcall:v1.0.0 team/rollcall-demo:v1.0.0 team/charts/rollcall:1.0.0"
	if got := strings.Join(s.tags(), " "); got != want {
		t.Errorf("tags %s, want %s", got, want)
	}
	r, err := readRelease(c, found)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.Artefacts {
		ref, err := name.ParseReference(a.Repository + "@" + a.Digest)
		if err != nil {
			t.Fatal(err)
		}
		index, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range manifest.Manifests {
			image, err := index.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			layers, err := image.Layers()
			if err != nil || len(layers) != 1 {
				t.Errorf("%s: %d layers, %v", a.Name, len(layers), err)
			}
		}
	}
	saysThat(t, publishIt(t, c, found), "v1.0.0 is published already")
	if tags := s.tags(); len(tags) != 0 {
		t.Errorf("the second run has set %q", tags)
	}
	// Another folder for the chart, as some registries have it.
	c.charts = s.host + "/charts-of-team"
	saysThat(t, publishIt(t, c, found), "was made for "+s.host+"/team/charts/rollcall, not for "+s.host+
		"/charts-of-team/rollcall")
}

// Whatever request the registry refuses, nothing is found under the version before all of it is there, and the next run
// ends with all tags right.
func TestPublishBreaks(t *testing.T) {
	s := serve(t)
	c, found := made(t, s.host+"/whole")
	requests := 0
	s.set(func(string, string) int { requests++; return 0 })
	if err := publishIt(t, c, found); err != nil {
		t.Fatal(err)
	}
	for broken := range requests {
		s := serve(t)
		c, found := made(t, s.host+"/team")
		n := 0
		s.set(func(string, string) int {
			n++
			if n-1 == broken {
				return http.StatusMethodNotAllowed // which no client tries again
			}
			return 0
		})
		err := publishIt(t, c, found)
		s.set(nil)
		tags := s.tags()
		if err != nil && len(tags) == 3 {
			t.Errorf("request %d fails, and all is tagged: %v", broken, err)
		}
		if len(tags) > 0 {
			r, err := readRelease(c, found)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range r.Artefacts {
				ref, err := name.NewDigest(a.Repository + "@" + a.Digest)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := remote.Head(ref); err != nil {
					t.Errorf("request %d fails: %q are tagged, and %s is not there: %v", broken, tags, a.Name, err)
				}
			}
		}
		if err != nil {
			if err := publishIt(t, c, found); err != nil {
				t.Errorf("request %d failed, and so does the next run: %v", broken, err)
			}
		}
		if all := append(tags, s.tags()...); len(all) != 3 {
			t.Errorf("request %d fails: tagged %q in all, each must be tagged once", broken, all)
		}
	}
	if requests < 20 {
		t.Errorf("only %d requests", requests)
	}
}

// A tag that stands for something else is left as it is, and nothing is uploaded beside it.
func TestPublishOverAnother(t *testing.T) {
	s := serve(t)
	c, found := made(t, s.host+"/team")
	image, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(s.host + "/team/rollcall-demo:v1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	s.tags()
	there := s.digest(t, "team/rollcall-demo:v1.0.0")
	saysThat(t, publishIt(t, c, found), "delete the tag there if nobody uses it, or release the next version")
	if s.digest(t, "team/rollcall-demo:v1.0.0") != there || s.digest(t, "team/rollcall:v1.0.0") != "" {
		t.Error("something was published")
	}
}

func TestRegistryRefuses(t *testing.T) {
	s := serve(t)
	c, found := made(t, s.host+"/team")
	s.set(func(string, string) int { return http.StatusUnauthorized })
	saysThat(t, publishIt(t, c, found), "log in with docker login "+s.host)
	s.set(func(method, _ string) int {
		if method == "HEAD" {
			return http.StatusTeapot
		}
		return 0
	})
	saysThat(t, publishIt(t, c, found), "asking for "+s.host+"/team/rollcall:v1.0.0")
	c.registry = "https://" + s.host
	saysThat(t, publishIt(t, c, found), "write it as in REGISTRY=registry.example.com/team")
}

func TestFolder(t *testing.T) {
	c, found := made(t, "registry.example.com/team")
	if _, err := readRelease(c, found); err != nil {
		t.Fatal(err)
	}
	other := found
	other.revision = strings.Repeat("b", 40)
	_, err := readRelease(c, other)
	saysThat(t, err, "was made of v1.0.0 at aaaaaaaaaaaa, not of v1.0.0 at bbbbbbbbbbbb: remove ")
	without := c
	without.registry = ""
	_, err = readRelease(without, found)
	saysThat(t, err, "was made for registry.example.com/team/rollcall, not for rollcall: remove ")

	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.folder(), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("more", "")
	_, err = readRelease(c, found)
	saysThat(t, err, "more is not as SHA256SUMS says: remove ")
	os.Remove(filepath.Join(c.folder(), "more"))
	if err := os.Rename(filepath.Join(c.folder(), "rollcall-demo.oci.tar"), filepath.Join(c.folder(), "..", "away")); err != nil {
		t.Fatal(err)
	}
	_, err = readRelease(c, found)
	saysThat(t, err, "rollcall-demo.oci.tar is missing: remove ")
	write("rollcall-demo.oci.tar", "cut")
	_, err = readRelease(c, found)
	saysThat(t, err, "rollcall-demo.oci.tar is not as SHA256SUMS says")
}
