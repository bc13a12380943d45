package slackapp

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"sync"
	"time"

	"rollcall/internal/message"

	"github.com/slack-go/slack"
)

// Limits of the Home tabs. Slack takes 100 or more views.publish a minute (Tier 4) for all
// people together.
const (
	homeEvery = 15 * time.Second // between two updates of one person's tab
	homeFor   = time.Hour        // how long after it was opened a tab is kept up to date
	maxHomes  = 20               // tabs kept up to date at once: the ones opened last
	homeTick  = 5 * time.Second  // between two looks at whether one is due
)

// homes are the Home tabs that people have opened.
type homes struct {
	mu   sync.Mutex
	open map[string]*openHome // by user; guarded by mu
	now  chan struct{}        // something changed that people wait for; guarded by mu
}

type openHome struct {
	who    asker
	app    string // that Slack greeted the connection as
	opened time.Time
	shown  time.Time // when it was published last
	hash   uint64    // of what it shows
}

// opened notes that a person opened the tab.
func (h *homes) opened(who asker, app string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[string]*openHome{}
	}
	if o := h.open[who.User]; o != nil {
		o.opened, o.who, o.app = now, who, app
		return
	}
	if len(h.open) >= maxHomes {
		oldest := ""
		for user, o := range h.open {
			if oldest == "" || o.opened.Before(h.open[oldest].opened) {
				oldest = user
			}
		}
		delete(h.open, oldest)
	}
	h.open[who.User] = &openHome{who: who, app: app, opened: now}
}

// due returns the tabs that may be brought up to date.
func (h *homes) due(now time.Time) []openHome {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []openHome
	for user, o := range h.open {
		switch {
		case now.Sub(o.opened) > homeFor:
			delete(h.open, user)
		case now.Sub(o.shown) >= homeEvery:
			out = append(out, *o)
		}
	}
	return out
}

// published notes what a tab shows, and reports whether that is something new.
func (h *homes) published(user string, hash uint64, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.open[user]
	if o == nil {
		return true
	}
	o.shown = now
	changed := o.hash != hash
	o.hash = hash
	return changed
}

// closed notes that a tab is not kept up to date any more.
func (h *homes) closed(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, user)
}

// forget makes the next publishing of a tab a new one, because Slack did not take the last.
func (h *homes) forget(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o := h.open[user]; o != nil {
		o.hash = 0
	}
}

// poke makes all tabs due at once.
func (h *homes) poke() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.open {
		o.shown = time.Time{}
	}
	if h.now != nil {
		select {
		case h.now <- struct{}{}:
		default:
		}
	}
}

func (h *homes) wake() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now == nil {
		h.now = make(chan struct{}, 1)
	}
	return h.now
}

// keepHomes keeps the open tabs up to date until ctx ends.
func (c *Commands) keepHomes(ctx context.Context) error {
	wake := c.home.wake()
	tick := time.NewTicker(homeTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-tick.C: // what changes is seen then: the ledger, health, mutes that run out
		}
		now := time.Now()
		for _, o := range c.home.due(now) {
			c.refresh(ctx, o, now)
		}
	}
}

// openHome shows the Home tab to somebody who opened it.
func (c *Commands) openHome(ctx context.Context, who asker, app string) {
	if r := c.mayNot(ctx, who, app, theHome); r.why != "" {
		c.home.closed(who.User)
		c.publishContent(ctx, who, c.refused(theHome, r))
		return
	}
	now := time.Now()
	c.home.opened(who, app, now)
	c.publish(ctx, who, now)
}

// theHome names the Home tab for people.
const theHome = "Rollcall's Home tab"

// refresh brings a tab up to date, if the person still may have it. What cannot be found out just now is found
// out at the next look.
func (c *Commands) refresh(ctx context.Context, o openHome, now time.Time) {
	switch r := c.check(ctx, o.who, o.app); {
	case r.passing:
	case r.why != "":
		c.logRefusal(o.who, theHome, r)
		c.home.closed(o.who.User)
		c.publishContent(ctx, o.who, c.refused(theHome, r))
	default:
		c.publish(ctx, o.who, now)
	}
}

// publish shows a person's Home tab as it is now, unless that is what it shows.
func (c *Commands) publish(ctx context.Context, who asker, now time.Time) {
	m, err := c.answers.Home(ctx, who.User, now)
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		c.log.Error("looking up the Home tab failed", "err", err)
		m = message.Notice("⚠️", "That could not be looked up in time. Open this tab again.")
	}
	what := c.drawFor(ctx, who.User, m, onHome)
	h := fnv.New64a()
	json.NewEncoder(h).Encode(what.blocks)
	if c.home.published(who.User, h.Sum64(), now) && !c.publishContent(ctx, who, what) {
		c.home.forget(who.User)
	}
}

func (c *Commands) publishContent(ctx context.Context, who asker, what content) bool {
	_, err := c.api.PublishViewContext(ctx,
		slack.PublishViewContextRequest{UserID: who.User,
			View: slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: what.blocks}}})
	if err != nil && ctx.Err() == nil {
		c.log.Warn("the Home tab could not be published", "user", who.User, "err", err)
	}
	return err == nil
}

// zoneOf is a person's time zone, as far as the scope users:read lets Rollcall ask.
func (c *Commands) zoneOf(ctx context.Context, user string) *time.Location {
	p, err := c.people.of(ctx, user)
	if errorCode(err) == "missing_scope" {
		c.zoneless.Do(func() {
			c.log.Info("people's time zones are not known without the scope users:read; using the digest's", "zone",
				c.zone.String())
		})
	}
	zone, wrong := time.LoadLocation(p.zone)
	if err != nil || wrong != nil || p.zone == "" {
		return c.zone
	}
	return zone
}
