package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// TestNoSecretLeaks makes the program say as much as it can, at debug level and through every kind
// of trouble, and looks for its tokens, and for the addresses at which people may be answered, in
// whatever it has written: logs, metrics, health, messages, the ledger, and the dump that it makes
// when it is asked to quit.
func TestNoSecretLeaks(t *testing.T) {
	const addr = "127.0.0.1:18974"
	s := set(t, cluster.Shared(t), "HTTP_ADDR="+addr, "DIGEST_SCHEDULE=@every 1m")
	s.start()
	s.watching()
	var secrets []string
	ask := func(text string) {
		c := s.slack.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", text)
		c.Wait(t.Context())
		secrets = append(secrets, c.ResponseURL, c.TriggerID)
	}
	names := s.join(3, cluster.Spot())
	s.setReady(names[0], corev1.ConditionTrue, "ready")
	ask("")
	s.slack.Fail(slackemu.MethodResponseURL, 10, slackemu.ServerError())
	s.slack.Fail("chat.postEphemeral", 3, slackemu.Refuse("not_in_channel"))
	ask("digest --since 7d")
	for _, f := range []slackemu.Fault{slackemu.ServerError(), slackemu.CutConnection(), slackemu.RateLimited(1),
		slackemu.Refuse("invalid_blocks"), slackemu.Refuse("not_in_channel")} {
		s.slack.Fail("chat.postMessage", 1, f)
		s.slack.Fail("apps.connections.open", 1, f)
		s.slack.Fail("conversations.history", 1, f)
		s.slack.DropSockets()
		s.join(1)
		time.Sleep(300 * time.Millisecond)
	}
	s.settle(90*time.Second, "joined")
	var said strings.Builder
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		res, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(&said, res.Body)
		res.Body.Close()
	}
	// It ends by saying where each goroutine is.
	s.process.Process.Signal(syscall.SIGQUIT)
	<-s.exited
	s.process = nil
	if !strings.Contains(s.log.String(), "goroutine ") {
		t.Error("it did not say where its goroutines are")
	}
	// And when Slack takes its tokens no more, which ends it with a word once it is told to stop.
	s.slack.RevokeToken(slackemu.DefaultBotToken)
	s.slack.RevokeToken(slackemu.DefaultAppToken)
	s.start()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.log.String(), "a person must act"); {
		if time.Now().After(deadline) {
			t.Fatal("it says nothing of a revoked token")
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.process.Process.Signal(syscall.SIGTERM)
	<-s.exited
	s.process = nil
	said.WriteString(s.log.String())
	for _, m := range s.slack.AllMessages(slackemu.ChannelOps) {
		said.Write(m.JSON())
	}
	for _, kv := range s.env {
		if path, ok := strings.CutPrefix(kv, "DATABASE_URL=sqlite:"); ok {
			files, err := filepath.Glob(path + "*")
			if err != nil || len(files) == 0 {
				t.Fatalf("no ledger: %v", err)
			}
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				said.Write(b)
			}
		}
	}
	if said.Len() < 20_000 || !strings.Contains(said.String(), "rollcall_slack_calls_total") ||
		!strings.Contains(said.String(), `"level":"DEBUG"`) {
		t.Errorf("too little was written to find anything in: %d bytes", said.Len())
	}
	for _, secret := range append(secrets, slackemu.DefaultBotToken, slackemu.DefaultAppToken) {
		if i := strings.Index(said.String(), secret); i >= 0 {
			t.Errorf("a secret was written: …%q…", said.String()[max(0, i-200):i+20])
		}
	}
}
