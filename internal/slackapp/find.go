package slackapp

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/slack-go/slack"

	"rollcall/internal/deliver"
)

// finder looks for our own messages in a channel. Its methods may be called from several goroutines.
type finder struct {
	api *slack.Client
	log *slog.Logger

	mu     sync.Mutex
	begun  map[search]progress // searches that were interrupted; guarded by mu
	unseen map[string]bool     // channels in which we may not look, and that is logged; guarded by mu
}

// search is one for a message or file in a channel, or in a thread of it.
type search struct{ channel, thread, after, what string }

// progress is how far a search got. Where Slack permits one call a minute of 15 messages each, as it does to apps that
// are distributed outside its Marketplace, a search that began anew after each 429 would never see the second page.
type progress struct {
	cursor string
	pages  int
	found  []deliver.Found // the newest first
}

// maxBegun bounds the searches that are remembered: those given up are never taken up again.
const maxBegun = 100

func newFinder(api *slack.Client, log *slog.Logger) *finder {
	return &finder{api: api, log: log, begun: map[search]progress{}, unseen: map[string]bool{}}
}

// farBack is how many pages of a channel's history are searched where no message is known that
// the one looked for must be later than. Its newest ones come first.
const farBack = 25

// find returns the messages with a key, the oldest first, posted after another one in a channel, or in a thread of it;
// none also if our scopes do not let us look. after is that other one's ts, "" if none is known. It is Slack's, because
// our own clock may have been set since.
func (f *finder) find(ctx context.Context, channel, thread, key, after string) ([]deliver.Found, error) {
	found, err := f.look(ctx, search{channel, thread, after, key}, func(m slack.Message) bool {
		return (m.Metadata.EventType == MetadataWave || m.Metadata.EventType == MetadataDigest) &&
			m.Metadata.EventPayload["key"] == key
	})
	if err != nil {
		err = fmt.Errorf("looking for message %s in %s: %w", key, channel, err)
	}
	slices.SortFunc(found, func(a, b deliver.Found) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(found, func(a, b deliver.Found) bool { return a.ID == b.ID }), err
}

// findFile reports whether a thread has a file; false also if our scopes do not let us look.
func (f *finder) findFile(ctx context.Context, channel, thread, id string) (bool, error) {
	found, err := f.look(ctx, search{channel, thread, "", id}, func(m slack.Message) bool {
		return slices.ContainsFunc(m.Files, func(file slack.File) bool { return file.ID == id })
	})
	if err != nil {
		err = fmt.Errorf("looking for file %s in %s: %w", id, channel, err)
	}
	return len(found) > 0, err
}

// look returns the messages that match. Where our scopes do not let us look, there are none. After an
// error, the same search goes on where it stopped.
func (f *finder) look(ctx context.Context, s search, match func(slack.Message) bool) ([]deliver.Found, error) {
	at := f.resume(s)
	for {
		page, next, err := f.page(ctx, s, at.cursor)
		switch code := errorCode(err); code {
		case "missing_scope", "not_in_channel", "no_permission":
			f.cannotSee(s.channel, code)
			return nil, nil
		case "thread_not_found":
			return nil, nil
		case "invalid_cursor": // too old by now
			return nil, err
		}
		if err != nil {
			f.interrupted(s, at)
			return nil, err
		}
		f.sees(s.channel)
		for _, m := range page {
			if match(m) {
				told, _ := m.Metadata.EventPayload["told"].(float64) // as JSON has numbers
				at.found = append(at.found, deliver.Found{ID: m.Timestamp, Told: int64(told)})
			}
		}
		at.cursor = next
		at.pages++
		if next == "" || s.thread == "" && s.after == "" && at.pages >= farBack {
			return at.found, nil
		}
	}
}

// page reads a page of a channel's or a thread's messages, and says where the next one begins, "" for the last.
func (f *finder) page(ctx context.Context, s search, cursor string) (page []slack.Message, next string, err error) {
	if s.thread != "" {
		page, _, next, err = f.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
			ChannelID: s.channel, Timestamp: s.thread, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
		return page, next, err
	}
	res, err := f.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: s.channel, Oldest: s.after, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
	if err != nil {
		return nil, "", err
	}
	return res.Messages, res.ResponseMetaData.NextCursor, nil
}

// resume returns how far a search got before it was interrupted.
func (f *finder) resume(s search) progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.begun[s]
	delete(f.begun, s)
	return at
}

func (f *finder) interrupted(s search, at progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.begun) >= maxBegun {
		clear(f.begun)
	}
	f.begun[s] = at
}

// cannotSee says once that a message may be posted twice, until we can look again.
func (f *finder) cannotSee(channel, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unseen[channel] {
		return
	}
	f.unseen[channel] = true
	f.log.Warn("cannot look for my own messages after a lost answer: a message may be posted twice; add the scope "+
		"channels:history (groups:history for a private channel) and invite the app", "channel", channel, "code", code)
}

func (f *finder) sees(channel string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.unseen, channel)
}
