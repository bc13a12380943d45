package deliver_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/digest/schedule"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// weeks is an editor in a bubble, whose clock begins on Saturday, 1 January 2000, and a cluster that is watched from
// the Monday on.
func weeks(t *testing.T, specs ...string) *editor {
	t.Helper()
	emu := slackemu.New(slackemu.Config{})
	t.Cleanup(emu.Close)
	api := slack.New(slackemu.DefaultBotToken, slack.OptionAPIURL("http://slack/api/"),
		slack.OptionHTTPClient(&http.Client{Transport: inMemory{emu}}))
	var all []*schedule.Schedule
	for _, spec := range specs {
		all = append(all, ticks(t, spec, "UTC"))
	}
	e := newEditor(t, emu, api, all...)
	e.config.Log = slog.New(slog.DiscardHandler)
	time.Sleep(time.Until(time.Date(2000, 1, 3, 9, 0, 0, 0, time.UTC)))
	e.baseline(time.Now())
	return e
}

// reschedule gives the next process other schedules.
func (e *editor) reschedule(specs ...string) {
	e.t.Helper()
	var all []*schedule.Schedule
	for _, spec := range specs {
		all = append(all, ticks(e.t, spec, "UTC"))
	}
	set, err := schedule.NewSet(all...)
	e.check(err)
	e.config.Schedules = set
}

// days lets days pass, in each of which a node joins.
func (e *editor) days(n int) {
	for range n {
		time.Sleep(24 * time.Hour)
		e.join(time.Now())
		e.watched(time.Now())
	}
}

// news are the digests that came since it was called last.
func (e *editor) news() []posted {
	all := digests(e.slack)[e.read:]
	e.read += len(all)
	return all
}

// hold holds the periods of the digests that came since then, in the order in which they came.
func (e *editor) hold(want ...string) {
	e.t.Helper()
	const form = "2 Jan 15h"
	var got []string
	for _, d := range e.news() {
		got = append(got, d.from.UTC().Format(form)+" – "+d.until.UTC().Format(form))
	}
	if !slices.Equal(got, want) {
		e.t.Fatalf("the digests are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A weekly digest beside a daily one: each has periods of its own, which join without a gap, and of two that are due at
// once the daily one comes first. The program is restarted each day, and is down for a week and a half.
func TestDigestsOfTwoSchedules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := weeks(t, "0 9 * * 1", "0 9 * * *")
		defer e.ledger.Close()
		time.Sleep(time.Minute)
		for range 15 {
			stop := e.run()
			e.days(1)
			stop()
		}
		var want []string
		day := func(d int) string { return fmt.Sprintf("%d Jan 09h – %d Jan 09h", d, d+1) }
		for d := 3; d < 18; d++ {
			if want = append(want, day(d)); d == 9 || d == 16 {
				want = append(want, fmt.Sprintf("%d Jan 09h – %d Jan 09h", d-6, d+1))
			}
		}
		e.hold(want...)
		for range 2 {
			stop := e.run()
			e.days(1)
			stop()
		}
		e.hold(day(18), day(19))
		time.Sleep(10 * 24 * time.Hour)
		e.watched(time.Now())
		stop := e.run()
		time.Sleep(time.Minute)
		// The week's was due first. It tells all of its time, as the daily one does.
		e.hold("17 Jan 09h – 24 Jan 09h", "20 Jan 09h – 30 Jan 09h")
		e.days(2)
		stop()
		e.hold("30 Jan 09h – 31 Jan 09h", "24 Jan 09h – 31 Jan 09h", "31 Jan 09h – 1 Feb 09h")
	})
}

// What schedules are changed to between two starts.
func TestDigestSchedulesChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := weeks(t, "0 9 * * *")
		defer e.ledger.Close()
		run := func(n int) {
			stop := e.run()
			time.Sleep(time.Minute)
			e.days(n)
			stop()
		}
		run(3)
		e.hold("3 Jan 09h – 4 Jan 09h", "4 Jan 09h – 5 Jan 09h", "5 Jan 09h – 6 Jan 09h")
		// Added on a Thursday, the weekly one waits for its Monday, and is of the whole week. It was not watched before.
		e.reschedule("0 9 * * 1", "0 9 * * *")
		run(4)
		e.hold("6 Jan 09h – 7 Jan 09h", "7 Jan 09h – 8 Jan 09h", "8 Jan 09h – 9 Jan 09h", "9 Jan 09h – 10 Jan 09h",
			"3 Jan 09h – 10 Jan 09h")
		// Taken away for two weeks and more, it comes back without them, and the daily one moves to another hour.
		e.reschedule("0 10 * * *")
		run(17)
		all := e.news()
		for i, d := range all {
			if i > 0 && !d.from.Equal(all[i-1].until) || d.until.UTC().Hour() != 10 {
				t.Errorf("digest %d is of %v to %v", i, d.from, d.until)
			}
		}
		if len(all) != 17 {
			t.Fatalf("%d digests in 17 days", len(all))
		}
		last := all[len(all)-1].until.UTC()
		e.reschedule("0 9 * * 1", "0 10 * * *")
		run(5)
		monday := time.Date(2000, 1, 31, 9, 0, 0, 0, time.UTC)
		weekly := 0
		for _, d := range e.news() {
			switch {
			case d.until.Equal(monday):
				weekly++
				if !d.from.Equal(monday.AddDate(0, 0, -7)) {
					t.Errorf("the week's is of %v to %v", d.from, d.until)
				}
			case !d.from.Equal(last):
				t.Errorf("the day's is of %v to %v, the one before ended at %v", d.from, d.until, last)
			default:
				last = d.until
			}
		}
		if weekly != 1 {
			t.Errorf("%d weekly digests", weekly)
		}
		// Other schedules altogether: the first digest begins where the last one ended, so that nothing is left out.
		e.reschedule("0 * * * *")
		stop := e.run()
		time.Sleep(3 * time.Hour)
		stop()
		all = e.news()
		for _, d := range all {
			if !d.from.Equal(last) {
				t.Errorf("the hour's is of %v to %v, the one before ended at %v", d.from, d.until, last)
			}
			last = d.until
		}
		if len(all) != 4 {
			t.Errorf("%d hourly digests", len(all))
		}
	})
}

// A digest that was recorded while the clock was ahead does not end the digests until then, and one of a schedule that
// is not there any more is posted all the same.
func TestDigestsAfterTheClockWasAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := weeks(t, "0 9 * * *")
		defer e.ledger.Close()
		stop := e.run()
		time.Sleep(time.Minute)
		e.days(1)
		stop()
		now := time.Now()
		ahead := wave.Digest{Posting: wave.Posting{Channel: slackemu.ChannelOps, Created: now}, Cluster: "prod",
			Schedule: "day", From: now, Until: time.Date(2000, 3, 1, 9, 0, 0, 0, time.UTC), Done: now}
		_, err := e.ledger.AddDigest(t.Context(), ahead)
		e.check(err)
		e.check(e.ledger.SetSchedules(t.Context(), "prod", "", map[string]time.Time{"day": {}, "week": now.AddDate(0, 2, 0)}))
		gone := ahead
		gone.Schedule, gone.Until, gone.Done = "month", now.Truncate(time.Hour), time.Time{}
		gone.From = gone.Until.AddDate(0, 0, -1)
		_, err = e.ledger.AddDigest(t.Context(), gone)
		e.check(err)
		e.reschedule("0 9 * * *", "0 9 * * 1")
		stop = e.run()
		e.days(6)
		stop()
		e.hold("3 Jan 09h – 4 Jan 09h", "3 Jan 09h – 4 Jan 09h", "4 Jan 09h – 5 Jan 09h", "5 Jan 09h – 6 Jan 09h",
			"6 Jan 09h – 7 Jan 09h", "7 Jan 09h – 8 Jan 09h", "8 Jan 09h – 9 Jan 09h", "9 Jan 09h – 10 Jan 09h",
			"3 Jan 09h – 10 Jan 09h")
	})
}

// A digest that is refused in every form holds up the other schedule's for an hour and no longer, and both come once
// while Slack is down at their moment.
func TestDigestsHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := weeks(t, "0 9 * * *", "0 9 * * 1")
		defer e.ledger.Close()
		var down, refused atomic.Bool
		down.Store(true)
		refused.Store(true)
		e.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.ServerError(),
			Where: func(slackemu.Call) bool { return down.Load() }})
		monday := fmt.Sprintf(`"from":%d`, time.Date(2000, 1, 10, 9, 0, 0, 0, time.UTC).Unix())
		e.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.Refuse("invalid_metadata_format"),
			Where: func(c slackemu.Call) bool { return refused.Load() && strings.Contains(c.Args["metadata"], monday) }})
		time.Sleep(7*24*time.Hour - time.Hour)
		stop := e.run()
		defer func() { stop() }()
		time.Sleep(2 * time.Hour) // until Monday, 10:00
		e.watched(time.Now())
		down.Store(false)
		time.Sleep(2 * time.Minute)
		e.hold("8 Jan 09h – 9 Jan 09h", "9 Jan 09h – 10 Jan 09h", "3 Jan 09h – 10 Jan 09h")
		time.Sleep(24 * time.Hour) // Tuesday's is refused
		e.hold()
		stop()
		e.reschedule("0 9 * * *", "0 9 * * 1", "0 11 * * *")
		stop = e.run()
		time.Sleep(2 * time.Hour)
		e.hold("10 Jan 11h – 11 Jan 11h")
		refused.Store(false)
		time.Sleep(20 * time.Minute)
		e.hold("10 Jan 09h – 11 Jan 09h")
	})
}

// The figures come once, whatever call's answer is lost, or whichever call the process is killed in; without a picture
// they are the only file.
func TestFiguresOnce(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"chat.postMessage", "files.getUploadURLExternal", slackemu.MethodUpload,
		"files.completeUploadExternal", "conversations.replies"} {
		for _, fault := range []slackemu.Fault{slackemu.ServerError(), slackemu.CutConnection().AfterEffect(),
			slackemu.HangUp().AfterEffect()} {
			kill := fault.Name == slackemu.HangUp().AfterEffect().Name
			for _, picture := range []bool{false, true} {
				if picture && !kill {
					continue // that is not another place
				}
				t.Run(fmt.Sprint(method, "/", fault.Name, "/picture ", picture), func(t *testing.T) {
					t.Parallel()
					cfg, skip, want := slackemu.Config{NoRateLimits: true}, 0, wave.PictureChart
					if picture { // its calls come first
						cfg.NotRolledOut, skip, want = []string{"data_visualization"}, 1, wave.PictureFile
						if method == "files.getUploadURLExternal" {
							skip = 2
						}
					}
					e := due(t, cfg)
					if method == "conversations.replies" { // nobody looks unless an answer was lost
						e.slack.Inject(slackemu.Rule{Method: "files.completeUploadExternal", Skip: skip, Times: 1,
							Fault: slackemu.CutConnection().AfterEffect()})
						skip = 0
					}
					var calls atomic.Int32
					e.slack.Inject(slackemu.Rule{Method: method, Skip: skip, Times: 1, Fault: fault,
						Where: func(slackemu.Call) bool { calls.Add(1); return true }})
					stop := e.run()
					if kill {
						for deadline := time.Now().Add(20 * time.Second); int(calls.Load()) <= skip; time.Sleep(10 * time.Millisecond) {
							if time.Now().After(deadline) {
								t.Fatalf("%s was not called", method)
							}
						}
						stop()
						stop = e.run()
					}
					defer func() { stop() }()
					p := e.eventually(e.done(want))
					pictures, tables := e.files(p)
					if (len(pictures) == 1) != picture || len(tables) != 1 || !strings.HasPrefix(tables[0], "cluster,from,until,") {
						t.Errorf("pictures %q, figures %q", pictures, tables)
					}
					d, _, err := e.ledger.LastDigest(t.Context(), "prod", "")
					if err != nil || d.Figures != wave.FiguresFile || d.FiguresFile == "" {
						t.Errorf("the ledger says %+v, %v", d, err)
					}
				})
			}
		}
	}
}

// Without the scope for files there are none, and nobody is troubled.
func TestFiguresWithoutScope(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	e := due(t, slackemu.Config{Tokens: []slackemu.Token{
		{Value: slackemu.DefaultBotToken, Scopes: []string{"commands", "chat:write", "channels:history"}},
		{Value: slackemu.DefaultAppToken, Scopes: []string{"connections:write"}},
	}})
	e.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	stop := e.run()
	p := e.eventually(e.done(wave.PictureChart))
	stop()
	d, _, err := e.ledger.LastDigest(t.Context(), "prod", "")
	if pictures, tables := e.files(p); err != nil || d.Figures != wave.FiguresNone || len(pictures)+len(tables) > 0 ||
		strings.Contains(log.String(), "level=WARN") {
		t.Errorf("pictures %q, figures %q, the ledger says %+v, %v, the log\n%s", pictures, tables, d, err, log.String())
	}
}
