package slackapp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/deliver"
	"rollcall/internal/message"
)

// Sink posts messages to Slack for package deliver. Its methods may be called from several
// goroutines.
type Sink struct {
	api    *slack.Client
	limits deliver.Limits
	find   finder
}

// NewSink returns a Sink. What is zero in limits becomes Slack's documented limit.
func NewSink(api *slack.Client, limits deliver.Limits, log *slog.Logger) *Sink {
	l := deliver.Limits{
		Posts:     cmp.Or(limits.Posts, 1),     // chat.postMessage: 1 a second and channel
		PostBurst: cmp.Or(limits.PostBurst, 2), // short bursts are tolerated
		Edits:     cmp.Or(limits.Edits, 0.8),   // chat.update: 50 a minute (Tier 3)
		EditBurst: cmp.Or(limits.EditBurst, 5),
		MaxPause:  cmp.Or(limits.MaxPause, 30*time.Second),
		Room:      maxBlockText,
	}
	return &Sink{api: api, limits: l, find: finder{api: api, log: log}}
}

// Name implements deliver.Sink.
func (s *Sink) Name() string { return slackName }

// slackName names Slack for people.
const slackName = "Slack"

// Limits implements deliver.Sink.
func (s *Sink) Limits() deliver.Limits { return s.limits }

// Judge implements deliver.Sink.
func (s *Sink) Judge(err error, channel string) deliver.Verdict { return judge(err, channel) }

// errNoChart is returned where a message has a chart that no block can show.
var errNoChart = errors.New("its chart cannot be drawn by Slack")

// formed is a message in a form.
func formed(m message.Message, form deliver.Form) (content, error) {
	switch form {
	case deliver.Charted:
		if c := charted(m); c.plain != nil {
			return c, nil
		}
		return content{}, errNoChart
	case deliver.Rich:
		return render(m, onMessage), nil
	case deliver.Plain:
		return content{text: escape(m.Plain(), maxText)}, nil
	}
	text := fmt.Sprintf("Rollcall: %s, %d nodes. Slack refuses the details; type /nodes for them.", m.Kind, m.Nodes)
	return content{text: cmp.Or(m.Bare, text)}, nil
}

// Post implements deliver.Sink.
func (s *Sink) Post(ctx context.Context, to deliver.Place, key string, m message.Message, form deliver.Form) (string,
	error) {
	c, err := formed(m, form)
	if err != nil {
		return "", err
	}
	opts := c.options(metadata(key, m))
	if to.Thread != "" {
		opts = append(opts, slack.MsgOptionTS(to.Thread))
		if m.Broad {
			opts = append(opts, slack.MsgOptionBroadcast())
		}
	}
	_, ts, err := s.api.PostMessageContext(ctx, to.Channel, opts...)
	return ts, err
}

// Edit implements deliver.Sink.
func (s *Sink) Edit(ctx context.Context, channel, ts, key string, m message.Message, form deliver.Form) error {
	c, err := formed(m, form)
	if err != nil {
		return err
	}
	_, _, _, err = s.api.UpdateMessageContext(ctx, channel, ts, c.options(metadata(key, m))...)
	return err
}

// Metadata's event types: a contract with other automations that read the channel.
const (
	MetadataWave   = "rollcall_wave"
	MetadataDigest = "rollcall_digest"
)

// metadata is the message metadata that carries our key. It holds nothing secret: every app in
// the workspace can read it.
func metadata(key string, m message.Message) slack.SlackMetadata {
	meta := slack.SlackMetadata{EventType: MetadataWave, EventPayload: map[string]any{
		"key": key, "cluster": m.Cluster, "kind": m.Kind, "nodes": m.Nodes,
	}}
	if m.Period != (message.Period{}) {
		meta.EventType = MetadataDigest
		meta.EventPayload["from"], meta.EventPayload["until"] = m.Period.From.Unix(), m.Period.Until.Unix()
	}
	return meta
}

// options are what every post and edit of a message has in common.
func (c content) options(meta slack.SlackMetadata) []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionText(c.text, false), slack.MsgOptionMetadata(meta),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
		// Also when there are none: an edit that names no blocks keeps the old ones.
		slack.MsgOptionBlocks(c.blocks...)}
}

// Find implements deliver.Sink.
func (s *Sink) Find(ctx context.Context, to deliver.Place, key, after string) (string, error) {
	return s.find.find(ctx, to.Channel, to.Thread, key, after)
}

// FindFile implements deliver.Sink.
func (s *Sink) FindFile(ctx context.Context, to deliver.Place, file string) (bool, error) {
	return s.find.findFile(ctx, to.Channel, to.Thread, file)
}

// Posted implements deliver.Sink: a ts is Unix seconds with a fraction.
func (s *Sink) Posted(ts string) time.Time {
	seconds, _, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// MayUpload implements deliver.Sink.
func (s *Sink) MayUpload(ctx context.Context) bool {
	_, err := s.api.GetUploadURLExternalContext(ctx,
		slack.GetUploadURLExternalParameters{FileName: "rollcall.png", FileSize: 1})
	return judge(err, "").Outcome != deliver.Closed
}

// maxAlt is how long a file's alternative text may be. Source: docs.slack.dev,
// files.getUploadURLExternal.
const maxAlt = 1000

// Upload implements deliver.Sink: it asks for an address, and sends the bytes there.
func (s *Sink) Upload(ctx context.Context, p deliver.Picture) (string, error) {
	to, err := s.api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{
		FileName: p.Name, FileSize: len(p.PNG), AltTxt: clip(clean(p.Alt), maxAlt)})
	if err != nil {
		return "", err
	}
	err = s.api.UploadToURL(ctx, slack.UploadToURLParameters{
		UploadURL: to.UploadURL, Reader: bytes.NewReader(p.PNG), Filename: p.Name})
	return to.FileID, withoutAddress(err, to.UploadURL)
}

// withoutAddress cuts the address of an upload out of an error of sending to it: whoever knows the address
// may write there, and errors are shown in the log, in /readyz and in the Home tab.
func withoutAddress(err error, address string) error {
	for sending, ok := errors.AsType[*url.Error](err); ok; sending, ok = errors.AsType[*url.Error](err) {
		err = sending.Err
	}
	if err != nil && strings.Contains(err.Error(), address) {
		return errors.New("the address that Slack gave for the upload cannot be used")
	}
	return err
}

// ShowFile implements deliver.Sink.
func (s *Sink) ShowFile(ctx context.Context, to deliver.Place, file, name string) error {
	_, err := s.api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
		Files: []slack.FileSummary{{ID: file, Title: name}}, Channel: to.Channel, ThreadTimestamp: to.Thread})
	return err
}

// finder looks for our own messages in a channel.
type finder struct {
	api   *slack.Client
	log   *slog.Logger
	blind atomic.Bool // the scopes do not allow it
}

// farBack is how many pages of a channel's history are searched where no message is known that
// the one looked for must be later than. Its newest ones come first.
const farBack = 25

// find returns the ts of the message with a key, posted after another one in a channel, or in a
// thread of it; "" if it is not there or if our scopes do not let us look. after is that other
// one's ts, "" if none is known. It is Slack's, because our own clock may have been set since.
func (f *finder) find(ctx context.Context, channel, thread, key, after string) (ts string, err error) {
	err = f.look(ctx, channel, thread, after, func(m slack.Message) bool {
		found := (m.Metadata.EventType == MetadataWave || m.Metadata.EventType == MetadataDigest) &&
			m.Metadata.EventPayload["key"] == key
		if found {
			ts = m.Timestamp
		}
		return found
	})
	if err != nil {
		err = fmt.Errorf("looking for message %s in %s: %w", key, channel, err)
	}
	return ts, err
}

// findFile reports whether a thread has a file; false also if our scopes do not let us look.
func (f *finder) findFile(ctx context.Context, channel, thread, id string) (found bool, err error) {
	err = f.look(ctx, channel, thread, "", func(m slack.Message) bool {
		found = slices.ContainsFunc(m.Files, func(file slack.File) bool { return file.ID == id })
		return found
	})
	if err != nil {
		err = fmt.Errorf("looking for file %s in %s: %w", id, channel, err)
	}
	return found, err
}

// look goes through the messages of a channel after another one, or of a thread of it, until match
// says that it has what it wants. Where our scopes do not let us look, there is nothing.
func (f *finder) look(ctx context.Context, channel, thread, after string, match func(slack.Message) bool) error {
	if f.blind.Load() {
		return nil
	}
	cursor := ""
	for pages := 1; ; pages++ {
		var page []slack.Message
		var err error
		if thread != "" {
			page, _, cursor, err = f.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: channel, Timestamp: thread, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
		} else {
			var res *slack.GetConversationHistoryResponse
			res, err = f.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
				ChannelID: channel, Oldest: after, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
			if err == nil {
				page, cursor = res.Messages, res.ResponseMetaData.NextCursor
			}
		}
		if code := errorCode(err); code == "missing_scope" || code == "not_in_channel" || code == "no_permission" {
			f.blind.Store(true)
			f.log.Warn("cannot look for my own messages after a lost answer: a message may be posted twice; add the scope "+
				"channels:history (groups:history for a private channel) and invite the app", "channel", channel, "code", code)
			return nil
		} else if code == "thread_not_found" {
			return nil
		} else if err != nil {
			return err
		}
		if slices.ContainsFunc(page, match) || cursor == "" || thread == "" && after == "" && pages == farBack {
			return nil
		}
	}
}
