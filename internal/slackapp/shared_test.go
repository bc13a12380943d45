package slackapp_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/deliver"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// A bot is a Rollcall on an emulator that others use too.
type bot struct {
	cluster string
	ledger  *ledger.Ledger
	sink    deliver.Sink
	mute    wave.Mute
}

// newBot connects a Rollcall of a cluster that has one mute.
func newBot(t *testing.T, s *slackemu.Server, cluster string, log *syncBuffer) *bot {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &bot{cluster: cluster, ledger: l}
	b.mute, err = l.AddMute(t.Context(), wave.Mute{Request: "V0", Cluster: cluster, Scope: wave.MuteCluster,
		By: slackemu.UserAda, ByName: "ada", At: time.Now(), Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	c := deskOn(l, s, logger)
	c.Cluster = cluster
	c.Owner = slackapp.Owner{Instance: l.Instance(), Cluster: cluster}
	b.sink = slackapp.NewSink(c.API, deliver.Limits{}, logger).Signed(c.Owner, command.Names{})
	commands := c.commands()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { commands.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	session, _ := connect(t, s, commands.Handle)
	waitFor(t, s, 5*time.Second, "ready", session.Ready)
	return b
}

// active are the mutes of a bot.
func (b *bot) active(t *testing.T) []wave.Mute {
	t.Helper()
	mutes, err := b.ledger.Mutes(t.Context(), b.cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return mutes
}

// TestTwoRollcallsOneApp holds that of two Rollcalls that share a Slack app by mistake none acts on what belongs to
// the other, whichever Slack gives it to, that the person is told, and that trying again gets there in the end; also
// where both call their cluster the same.
func TestTwoRollcallsOneApp(t *testing.T) {
	t.Parallel()
	for _, names := range [][2]string{{"east", "west"}, {"prod", "prod"}} {
		t.Run(names[0]+" and "+names[1], func(t *testing.T) {
			t.Parallel()
			s, log := slackemu.Start(t, slackemu.Config{NoRateLimits: true}), &syncBuffer{}
			east, west := newBot(t, s, names[0], log), newBot(t, s, names[1], log)
			sorry := "This belongs to another ledger"
			if names[0] != names[1] {
				sorry = "This belongs to the Rollcall of " + names[0] + ". Slack gave it to the Rollcall of " + names[1]
			}
			m := message.Notice("🔕", "Muted", message.Button{Label: "Undo", Verb: message.Unmute, Value: fmt.Sprint(east.mute.ID)},
				message.Button{Label: "Mute…", Verb: message.Mute, Value: east.ledger.Instance() + "-1"},
				message.Button{Label: "Nodes", Verb: message.Open, Value: "/nodes"})
			ts, err := east.sink.Post(t.Context(), deliver.Place{Channel: slackemu.ChannelOps},
				deliver.Mark{Key: "key"}, m, deliver.Rich)
			if err != nil {
				t.Fatal(err)
			}
			posted, _ := s.Message(slackemu.ChannelOps, ts)
			told := func() (n int) {
				for _, e := range s.Ephemerals(slackemu.ChannelOps, slackemu.UserAda) {
					if strings.Contains(plain(e), sorry) {
						n++
					}
				}
				return n
			}
			// press presses a button until done, or west has said that it is not its own, and reports which.
			press := func(label string, done func() bool) bool {
				t.Helper()
				before := told()
				i := s.ClickButton(slackemu.UserAda, slackemu.ChannelOps, ts, find(t, posted.Blocks, label).action)
				if err := i.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				waitFor(t, s, 5*time.Second, "something about "+label, func() bool { return done() || told() > before })
				return done()
			}

			modal := func() bool { return len(s.Modals(slackemu.UserAda)) > 0 }
			for n := 0; !press("Mute…", modal); n++ {
				if n > 60 {
					t.Fatal("the form never opened")
				}
			}
			form := s.Modals(slackemu.UserAda)[0]
			for n := 0; len(s.Modals(slackemu.UserAda)) > 0; n++ {
				if n > 60 {
					t.Fatal("the form was never taken")
				}
				if err := s.Enter(slackemu.UserAda, form.ID,
					slackemu.Action{ActionID: "value", BlockID: "scope", Value: "cluster:"}); err != nil {
					t.Fatal(err)
				}
				if err := s.SubmitView(slackemu.UserAda, form.ID, nil).Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if names[0] == names[1] && len(s.Modals(slackemu.UserAda)) > 0 &&
					strings.Contains(string(s.Modals(slackemu.UserAda)[0].Blocks), sorry) {
					s.CloseView(slackemu.UserAda, form.ID)
				}
			}
			if n := len(west.active(t)); n != 1 {
				t.Errorf("the other has %d mutes, want its own one", n)
			}
			unmuted := func() bool {
				m, _, err := east.ledger.Mute(t.Context(), east.mute.ID)
				return err == nil && !m.EndedAt.IsZero()
			}
			for n := 0; !press("Undo", unmuted); n++ {
				if n > 60 {
					t.Fatal("the mute never ended")
				}
			}
			if n := len(west.active(t)); n != 1 {
				t.Errorf("the other's mute was ended")
			}
			for n := 0; told() == 0 && n < 60; n++ {
				answers := len(s.Ephemerals(slackemu.ChannelOps, slackemu.UserAda))
				press("Nodes", func() bool { return len(s.Ephemerals(slackemu.ChannelOps, slackemu.UserAda)) > answers })
			}
			for _, e := range s.Ephemerals(slackemu.ChannelOps, slackemu.UserAda) {
				if names[0] != names[1] && strings.Contains(plain(e), names[1]+": ") {
					t.Errorf("a button of %s shows %s", names[0], plain(e))
				}
			}
			if told() == 0 {
				t.Error("nobody was ever told")
			}
			if l := log.String(); !strings.Contains(l, "a button of another Rollcall was pressed") {
				t.Errorf("the log:\n%s", l)
			}
		})
	}
}
