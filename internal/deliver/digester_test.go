package deliver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/answer"
	"rollcall/internal/channel"
	"rollcall/internal/deliver"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// posted is a digest as the channel has it.
type posted struct {
	slackemu.Message
	from, until time.Time
}

func digests(s *slackemu.Server) (all []posted) {
	for _, m := range s.Messages(slackemu.ChannelOps) {
		if m.Metadata == nil || m.Metadata.EventType != slackapp.MetadataDigest {
			continue
		}
		var p struct{ From, Until int64 }
		if err := json.Unmarshal(m.Metadata.EventPayload, &p); err != nil {
			panic(err) // the emulator has read it
		}
		all = append(all, posted{m, time.Unix(p.From, 0), time.Unix(p.Until, 0)})
	}
	return all
}

func ticks(t *testing.T, spec, zone string) *schedule.Schedule {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schedule.Parse(spec, z)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dollar prices every machine.
func dollar(fleet.Machine) fleet.Price { return fleet.Price{USD: 1, Known: true, Source: "a test"} }

// editor stands between a ledger with a baseline, the emulator, and a Digester.
type editor struct {
	t      *testing.T
	slack  *slackemu.Server
	ledger *ledger.Ledger
	config deliver.DigesterConfig
	api    *slack.Client
	nodes  int
	read   int // digests that the test has looked at
}

func newEditor(t *testing.T, emu *slackemu.Server, api *slack.Client, all ...*schedule.Schedule) *editor {
	t.Helper()
	set, err := schedule.NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := &editor{t: t, slack: emu, ledger: l, api: api,
		config: deliver.DigesterConfig{Cluster: "prod", Channel: slackemu.ChannelOps, Store: l, Schedules: set,
			Summaries: answer.Summaries{Store: l, Price: dollar, Zone: set[0].Zone()}, Live: func() bool { return true },
			Draw: func(message.Chart, *time.Location, string) ([]byte, error) { return []byte("a picture"), nil },
			Log:  slog.New(slog.NewTextHandler(t.Output(), nil))}}
	t.Cleanup(func() {
		l.Close()
		if t.Failed() {
			channel.Dump(t, emu, slackemu.ChannelOps)
		}
	})
	return e
}

// baseline declares the cluster watched from a moment on, with a node that joins then.
func (e *editor) baseline(at time.Time) {
	e.t.Helper()
	e.check(e.ledger.FinishBaseline(e.t.Context(), fleet.Batch{Cluster: "prod", At: at, ResourceVersion: "1"},
		func(string) bool { return true }))
	e.join(at)
}

func (e *editor) join(at time.Time) {
	e.t.Helper()
	e.nodes++
	n := fleet.Node{Cluster: "prod", UID: fmt.Sprint("uid-", e.nodes), Name: fmt.Sprint("node-", e.nodes),
		InstanceType: "m5.large", CapacityType: []string{"spot", "on-demand"}[e.nodes%2], CreatedAt: at,
		Ready: fleet.Condition{Status: fleet.Ready, Since: at.Add(40 * time.Second)}}
	e.check(e.ledger.RecordNodes(e.t.Context(),
		fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{fleet.First(n, at)}, At: at}))
}

func (e *editor) watched(at time.Time) {
	e.t.Helper()
	e.check(e.ledger.Watched(e.t.Context(), "prod", at, ""))
}

func (e *editor) check(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// digester returns a new one with an outbox of its own, as a new process would.
func (e *editor) digester() *deliver.Digester {
	c := e.config
	c.Outbox = deliver.NewOutbox(slackapp.NewSink(e.api, deliver.Limits{MaxPause: 2 * time.Second,
		Settle: time.Second}, c.Log), e.ledger,
		c.Log)
	return deliver.NewDigester(c)
}

// run runs a new Digester, as a new process would, until stop.
func (e *editor) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.t.Context()))
	done := make(chan error, 1)
	d := e.digester()
	go func() { done <- d.Run(ctx) }()
	return func() {
		e.t.Helper()
		cancel()
		if err := <-done; err != nil {
			e.t.Error(err)
		}
	}
}

// TestDigestWeeks lets days pass around both changes of clocks in three zones, with months in
// between in which nothing ran.
func TestDigestWeeks(t *testing.T) {
	t.Parallel()
	// A bubble's clock begins on 1 January 2000.
	for zone, changes := range map[string][2]time.Time{
		"Europe/Berlin":    {time.Date(2000, 3, 26, 1, 0, 0, 0, time.UTC), time.Date(2000, 10, 29, 1, 0, 0, 0, time.UTC)},
		"America/New_York": {time.Date(2000, 4, 2, 7, 0, 0, 0, time.UTC), time.Date(2000, 10, 29, 6, 0, 0, 0, time.UTC)},
		"Australia/Sydney": {time.Date(2000, 3, 25, 16, 0, 0, 0, time.UTC), time.Date(2000, 8, 26, 16, 0, 0, 0, time.UTC)},
	} {
		t.Run(strings.ReplaceAll(zone, "/", "-"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				emu := slackemu.New(slackemu.Config{})
				defer emu.Close()
				api := slack.New(slackemu.DefaultBotToken, slack.OptionAPIURL("http://slack/api/"),
					slack.OptionHTTPClient(&http.Client{Transport: inMemory{emu}}))
				s := ticks(t, "0 9 * * *", zone)
				e := newEditor(t, emu, api, s)
				defer e.ledger.Close()
				e.config.Log = slog.New(slog.DiscardHandler)
				time.Sleep(time.Until(changes[0].AddDate(0, 0, -2)))
				e.baseline(time.Now())
				ran := [2][2]time.Time{}
				for i, change := range changes {
					time.Sleep(time.Until(change.AddDate(0, 0, -2)))
					ran[i][0] = time.Now()
					stop := e.run()
					for range 4 { // a node joins each day
						time.Sleep(24 * time.Hour)
						e.join(time.Now())
						e.watched(time.Now())
					}
					ran[i][1] = time.Now()
					stop()
				}
				all := digests(emu)
				odd, late := map[time.Duration]int{}, 0
				for i, d := range all {
					length := d.until.Sub(d.from)
					if !s.Last(d.until).Equal(d.until) {
						t.Errorf("digest %d is not of a tick: %s", i, d.until)
					}
					if i > 0 && !d.from.Equal(all[i-1].until) {
						t.Errorf("digest %d begins at %s, the one before ended at %s", i, d.from, all[i-1].until)
					}
					m := d.Versions[0]
					if lateBy := m.At.Sub(d.until); lateBy > 5*time.Second {
						late++
						if !strings.Contains(m.Text, "(late)") || !m.At.Before(ran[1][0].Add(10*time.Second)) {
							t.Errorf("digest %d is late by %v: %s", i, lateBy, m.Text)
						}
					} else if strings.Contains(m.Text, "late") {
						t.Errorf("digest %d is marked late: %s", i, m.Text)
					}
					if i > 0 && length < 30*time.Hour {
						odd[length]++
					}
				}
				// Four days have four ticks, and the months between one digest.
				if len(all) < 8 || len(all) > 10 || late != 1 || odd[23*time.Hour] != 1 || odd[25*time.Hour] != 1 ||
					odd[24*time.Hour] < 4 {
					t.Errorf("%d digests, %d late, lengths %v", len(all), late, odd)
				}
				for method, c := range emu.Counts() {
					if c.RateLimited > 0 || len(c.Errors) > 0 {
						t.Errorf("%s: %d over the limit, errors %v", method, c.RateLimited, c.Errors)
					}
				}
			})
		})
	}
}

// due is an editor for whom a digest is due at once, with a day that had a node.
func due(t *testing.T, cfg slackemu.Config) *editor {
	t.Helper()
	emu := slackemu.Start(t, cfg)
	e := newEditor(t, emu, slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, emu.APIURL(), nil),
		ticks(t, "@every 1h", "UTC"))
	last := e.config.Schedules[0].Last(time.Now())
	e.baseline(last.Add(-2 * time.Hour))
	e.join(last.Add(-30 * time.Minute))
	e.watched(time.Now())
	return e
}

// eventually polls until there is one digest, and what check wants holds.
func (e *editor) eventually(check func(posted) error) posted {
	e.t.Helper()
	err := errors.New("not tried")
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		all := digests(e.slack)
		if err = fmt.Errorf("%d digests", len(all)); len(all) == 1 {
			if err = check(all[0]); err == nil {
				return all[0]
			}
		}
	}
	e.t.Fatal(err)
	return posted{}
}

// done waits until nothing is left to do.
func (e *editor) done(picture wave.Picture) func(posted) error {
	return func(p posted) error {
		d, ok, err := e.ledger.LastDigest(e.t.Context(), "prod", "")
		if err != nil || !ok || d.Done.IsZero() || d.ID != p.TS || d.Picture != picture {
			return fmt.Errorf("the ledger says %+v, %v, %v", d, ok, err)
		}
		return nil
	}
}

// files are the pictures and the tables in a digest's thread.
func (e *editor) files(p posted) (pictures, tables []string) {
	for _, m := range e.slack.Thread(slackemu.ChannelOps, p.TS) {
		for _, f := range m.Files {
			file, _ := e.slack.File(f)
			if strings.HasSuffix(file.Name, ".csv") {
				tables = append(tables, string(file.Content))
			} else {
				pictures = append(pictures, file.Name+": "+file.AltText)
			}
		}
	}
	return pictures, tables
}

func TestDigestPicture(t *testing.T) {
	t.Parallel()
	noFiles := []slackemu.Token{
		{Value: slackemu.DefaultBotToken, Scopes: []string{"commands", "chat:write", "channels:history"}},
		{Value: slackemu.DefaultAppToken, Scopes: []string{"connections:write"}},
	}
	noChart := []string{"data_visualization"}
	for _, c := range []struct {
		name    string
		cfg     slackemu.Config
		picture wave.Picture
		files   int
		says    string
		chart   bool
	}{
		{"chart", slackemu.Config{}, wave.PictureChart, 0, "Nodes by capacity type", true},
		{"chart without the scope for files", slackemu.Config{Tokens: noFiles}, wave.PictureChart, 0,
			"Nodes by capacity type", true},
		{"no charts yet", slackemu.Config{NotRolledOut: noChart}, wave.PictureFile, 1, "The picture is in the thread", false},
		{"neither", slackemu.Config{NotRolledOut: noChart, Tokens: noFiles}, wave.PictureNone, 0, "add the scope files:write",
			false},
		{"no tables and charts", slackemu.Config{NotRolledOut: []string{"data_visualization", "table"}}, wave.PictureFile, 1,
			"The picture is in the thread", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := due(t, c.cfg)
			defer e.run()()
			p := e.eventually(e.done(c.picture))
			files, tables := e.files(p)
			if len(tables) > 1 || (len(tables) == 0) != (c.cfg.Tokens != nil) {
				t.Errorf("figures %q", tables)
			}
			if len(files) != c.files || c.files == 1 && !strings.Contains(files[0], "1 joined, 0 left") {
				t.Errorf("files %q", files)
			}
			all := p.Text + string(p.Blocks)
			if !strings.Contains(all, c.says) || strings.Contains(all, `"data_visualization"`) != c.chart {
				t.Errorf("the message does not say %q, or has a chart: %s", c.says, all)
			}
			if !strings.Contains(message.Spoken(p.Text), "prod: 1 to 2 nodes, $1.50 in") {
				t.Errorf("text: %s", p.Text)
			}
		})
	}
}

// TestDigestLostAnswers breaks each call after its effect, or before: the digest and its picture
// come once.
func TestDigestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"chat.postMessage", "files.getUploadURLExternal", slackemu.MethodUpload,
		"files.completeUploadExternal", "conversations.history", "conversations.replies"} {
		for _, fault := range []slackemu.Fault{slackemu.ServerError(), slackemu.CutConnection(), slackemu.RateLimited(1),
			slackemu.ServerError().AfterEffect(), slackemu.CutConnection().AfterEffect(),
			slackemu.RateLimitedNoHeader().AfterEffect()} {
			t.Run(method+"/"+fault.Name, func(t *testing.T) {
				t.Parallel()
				e := due(t, slackemu.Config{NotRolledOut: []string{"data_visualization"}, NoRateLimits: true})
				e.slack.Inject(slackemu.Rule{Method: method, Times: 1, Fault: fault})
				if strings.HasPrefix(method, "conversations") { // nobody looks unless an answer was lost
					lost := "chat.postMessage"
					skip := 1
					if method == "conversations.replies" {
						lost, skip = "files.completeUploadExternal", 0
					}
					e.slack.Inject(slackemu.Rule{Method: lost, Skip: skip, Times: 1, Fault: slackemu.CutConnection().AfterEffect()})
				}
				defer e.run()()
				p := e.eventually(e.done(wave.PictureFile))
				if files, tables := e.files(p); len(files) != 1 || len(tables) != 1 {
					t.Errorf("pictures %q, figures %q", files, tables)
				}
			})
		}
	}
}

// TestDigestRestarts stops the digester in the middle of each call, and starts another.
func TestDigestRestarts(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"chat.postMessage", "files.getUploadURLExternal", slackemu.MethodUpload,
		"files.completeUploadExternal"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			e := due(t, slackemu.Config{NotRolledOut: []string{"data_visualization"}, NoRateLimits: true})
			// The answer never comes, though the call has its effect: what the process would learn
			// it does not, as if it were killed there.
			skip := 0
			if method == "chat.postMessage" {
				skip = 1 // the first is refused for its chart
			}
			var calls atomic.Int32
			e.slack.Inject(slackemu.Rule{Method: method, Skip: skip, Times: 1, Fault: slackemu.HangUp().AfterEffect(),
				Where: func(slackemu.Call) bool { calls.Add(1); return true }})
			stop := e.run()
			for deadline := time.Now().Add(20 * time.Second); int(calls.Load()) <= skip; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s was not called", method)
				}
			}
			stop()
			defer e.run()()
			p := e.eventually(e.done(wave.PictureFile))
			if files, tables := e.files(p); len(files) != 1 || len(tables) != 1 {
				t.Errorf("pictures %q, figures %q", files, tables)
			}
		})
	}
}

func TestDigestWhenQuiet(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprint("skip ", skip), func(t *testing.T) {
			t.Parallel()
			emu := slackemu.Start(t, slackemu.Config{})
			e := newEditor(t, emu, slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, emu.APIURL(), nil),
				ticks(t, "@every 1h", "UTC"))
			e.config.SkipQuiet = skip
			e.baseline(e.config.Schedules[0].Last(time.Now()).Add(-3 * time.Hour))
			e.watched(time.Now())
			stop := e.run()
			if !skip {
				p := e.eventually(e.done(wave.PictureNone))
				if !strings.Contains(p.Text, "prod: a normal hour, $1, as much as the hour before") ||
					!strings.Contains(string(p.Blocks), "1 node all the time: nothing happened.") {
					t.Errorf("text: %s", p.Text)
				}
				stop()
				return
			}
			for {
				d, ok, err := e.ledger.LastDigest(t.Context(), "prod", "")
				e.check(err)
				if ok {
					if d.Done.IsZero() || d.ID != "" {
						t.Errorf("%+v", d)
					}
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			stop()
			if n := emu.Counts()["chat.postMessage"].Calls; n > 0 || len(digests(emu)) > 0 {
				t.Errorf("%d calls for a quiet digest", n)
			}
		})
	}
}

// TestDigestNotDue holds that of a time in which nobody watched there is no digest, and that a
// digest waits for the watch after a start.
func TestDigestNotDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		emu := slackemu.New(slackemu.Config{})
		defer emu.Close()
		api := slack.New(slackemu.DefaultBotToken, slack.OptionAPIURL("http://slack/api/"),
			slack.OptionHTTPClient(&http.Client{Transport: inMemory{emu}}))
		e := newEditor(t, emu, api, ticks(t, "0 9 * * *", "UTC"))
		defer e.ledger.Close()
		time.Sleep(9*time.Hour + time.Minute) // one minute after a tick
		stop := e.run()
		time.Sleep(time.Hour)
		e.baseline(time.Now())
		time.Sleep(22 * time.Hour)
		e.watched(time.Now())
		if n := len(digests(emu)); n > 0 {
			t.Fatalf("%d digests before the first tick", n)
		}
		stop()
		var live atomic.Bool
		e.config.Live = live.Load
		time.Sleep(time.Hour) // over the tick
		stop = e.run()
		time.Sleep(time.Minute)
		if n := len(digests(emu)); n > 0 {
			t.Fatalf("%d digests before the watch was up", n)
		}
		live.Store(true)
		time.Sleep(2 * time.Second)
		if n := len(digests(emu)); n != 1 {
			t.Fatalf("%d digests once the watch was up", n)
		}
		stop()
		live.Store(false)
		time.Sleep(24 * time.Hour)
		stop = e.run()
		time.Sleep(3 * time.Minute) // it does not wait for ever
		if n := len(digests(emu)); n != 2 {
			t.Fatalf("%d digests though the watch does not come up", n)
		}
		stop()
	})
}

// A picture of which nothing can be found out does not hold up the digests that follow for ever.
func TestDigestPictureGivenUp(t *testing.T) {
	t.Parallel()
	e := due(t, slackemu.Config{})
	last := e.config.Schedules[0].Last(time.Now())
	rec, err := e.ledger.AddDigest(t.Context(),
		wave.Digest{Posting: wave.Posting{Channel: slackemu.ChannelOps, Created: last}, Cluster: "prod",
			From: last.Add(-time.Hour), Until: last})
	e.check(err)
	rec.Tried, rec.ID, rec.Picture, rec.File = true, fmt.Sprintf("%d.000100", time.Now().Add(-2*time.Hour).Unix()),
		wave.PictureFile, "F0LOST"
	e.check(e.ledger.MarkPosting(t.Context(), rec.Posting, time.Now()))
	e.check(e.ledger.Accepted(t.Context(), rec.Posting, 0, time.Now()))
	e.slack.Inject(slackemu.Rule{Method: "conversations.replies", Fault: slackemu.Refuse("channel_not_found")})
	defer e.run()()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d, _, err := e.ledger.LastDigest(t.Context(), "prod", "")
		e.check(err)
		if !d.Done.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it still waits: %+v", d)
		}
	}
}

// A digest that could not be posted goes into the channel that is configured by then.
func TestDigestChannelMended(t *testing.T) {
	t.Parallel()
	e := due(t, slackemu.Config{})
	e.config.Channel = slackemu.ChannelArchived
	stop := e.run()
	for deadline := time.Now().Add(20 * time.Second); e.slack.Counts()["chat.postMessage"].Errors["is_archived"] == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was tried")
		}
	}
	stop()
	e.config.Channel = slackemu.ChannelOps
	defer e.run()()
	e.eventually(e.done(wave.PictureChart))
}

func TestDigestRefused(t *testing.T) {
	t.Parallel()
	e := due(t, slackemu.Config{NoRateLimits: true})
	e.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Times: 3, Fault: slackemu.Refuse("invalid_blocks")})
	stop := e.run()
	p := e.eventually(e.done(wave.PictureNone))
	if !strings.Contains(p.Text, "/nodes digest") {
		t.Errorf("text: %s", p.Text)
	}
	stop()
	// Refused in every form, it waits, and nothing else ends for it.
	e = due(t, slackemu.Config{NoRateLimits: true})
	e.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Times: 8, Fault: slackemu.Refuse("invalid_metadata_format")})
	stop = e.run()
	e.eventually(e.done(wave.PictureNone))
	stop()
	e = due(t, slackemu.Config{NoRateLimits: true})
	e.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.Refuse("token_revoked")})
	err := e.digester().Run(t.Context())
	if _, ok := errors.AsType[*deliver.FatalError](err); !ok {
		t.Errorf("a revoked token: %v", err)
	}
}
