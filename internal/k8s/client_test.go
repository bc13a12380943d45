package k8s

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall/test/cluster"
)

func writeKubeconfig(t *testing.T, contexts ...string) string {
	t.Helper()
	c := clientcmdapi.NewConfig()
	for _, name := range contexts {
		c.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + name + ".example:6443"}
		c.Contexts[name] = &clientcmdapi.Context{Cluster: name}
		c.CurrentContext = contexts[0]
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("HOME", t.TempDir())
	two := writeKubeconfig(t, "prod-eu", "staging")
	other := writeKubeconfig(t, "lab")
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("}{"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	tests := []struct {
		name, kubeconfig, context string
		host, got                 string // on success
		err                       string // part of the error
	}{
		{"current context", two, "", "https://prod-eu.example:6443", "prod-eu", ""},
		{"other context", two, "staging", "https://staging.example:6443", "staging", ""},
		{"several files", two + string(filepath.ListSeparator) + other, "lab", "https://lab.example:6443", "lab", ""},
		{"one of several files is missing", none + string(filepath.ListSeparator) + other, "", "https://lab.example:6443",
			"lab", ""},
		{"no file", none, "", "", "", "no such file: " + none + ": correct KUBECONFIG"},
		{"misspelt context", two, "prod-ue", "", "",
			`no context "prod-ue": did you mean KUBE_CONTEXT=prod-eu? There are: prod-eu, staging`},
		{"strange context", two, "minikube", "", "", `no context "minikube": set KUBE_CONTEXT to one of prod-eu, staging`},
		{"not a kubeconfig", broken, "", "", "", "correct the file or KUBECONFIG"},
		{"no contexts", writeKubeconfig(t), "", "", "", "it has no context"},
		{"nothing given, nothing there", "", "", "", "", "not in a cluster, and there is no kubeconfig"},
		{"only a context", "", "prod", "", "", `looking for context "prod"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, got, err := Load(tt.kubeconfig, tt.context)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if config.Host != tt.host || got != tt.got {
				t.Errorf("got %s, context %s", config.Host, got)
			}
		})
	}
	t.Run("in a pod without its token", func(t *testing.T) {
		t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
		t.Setenv("KUBERNETES_SERVICE_PORT", "443")
		if _, _, err := Load("", ""); err == nil || !strings.Contains(err.Error(), "automountServiceAccountToken") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("home", func(t *testing.T) {
		home := t.TempDir()
		t.Setenv("HOME", home)
		if err := os.Mkdir(filepath.Join(home, ".kube"), 0o700); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, ".kube", "config"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got, err := Load("", ""); err != nil || got != "lab" {
			t.Errorf("context %q, error %v", got, err)
		}
	})
}

// TestVersionHints holds that a person learns from the error what to look at.
func TestVersionHints(t *testing.T) {
	answer := func(code int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	tests := []struct{ name, host, hint string }{
		{"refused", "https://" + closed.Addr().String(), "nothing listens there"},
		{"unknown authority", tls.URL, "unknown authority"},
		{"no name", "https://no-such-name.invalid:6443", "does not resolve"},
		{"no TLS", "https://" + strings.TrimPrefix(answer(200, ""), "http://"), "does not speak TLS"},
		{"credentials", answer(401, ""), "refused the credentials (401)"},
		{"another server", answer(200, "<html>"), "not an API server's"},
		{"silence", "https://" + silent.Addr().String(), "does not answer in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := NewClient(&rest.Config{Host: tt.host}, "test")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, err := c.Version(ctx); err == nil || !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("error %v, want %q", err, tt.hint)
			}
			if checks := c.Check(ctx); len(checks) != 1 || checks[0].OK || checks[0].Detail == "" {
				t.Errorf("checks: %+v", checks)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	c := cluster.Shared(t)
	client := must(NewClient(c.Config(cluster.UserAdmin), "test"))
	var what []string
	for _, check := range client.Check(t.Context()) {
		if !check.OK {
			t.Errorf("%+v", check)
		}
		what = append(what, check.What)
	}
	want := []string{"reach the API server", "get nodes", "list nodes", "watch nodes",
		"get events.events.k8s.io", "list events.events.k8s.io", "watch events.events.k8s.io",
		"get namespaces/kube-system"}
	if !slices.Equal(what, want) {
		t.Errorf("checked %q, want %q", what, want)
	}
}

func TestPause(t *testing.T) {
	p := pacer{timing: defaultTiming}
	if d := p.pause(errClosed, true); d != 0 {
		t.Errorf("the first pause after something that worked is %s", d)
	}
	longest := time.Duration(0)
	for i := range 40 {
		d := p.pause(errClosed, false)
		longest = max(longest, d)
		if d < defaultTiming.backoff/2 || d > defaultTiming.maxPause {
			t.Errorf("pause %d is %s", i, d)
		}
	}
	if longest < defaultTiming.maxPause/2 {
		t.Errorf("pauses never grow beyond %s", longest)
	}
	if d := p.pause(errClosed, true); d != 0 {
		t.Errorf("recovered, but the pause is %s", d)
	}
}
