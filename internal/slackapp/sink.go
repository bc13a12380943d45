package slackapp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
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
	find   *finder
}

// NewSink returns a Sink. What is zero in limits becomes Slack's documented limit.
func NewSink(api *slack.Client, limits deliver.Limits, log *slog.Logger) *Sink {
	l := deliver.Limits{
		Posts:     cmp.Or(limits.Posts, 1),     // chat.postMessage: 1 a second and channel
		PostBurst: cmp.Or(limits.PostBurst, 2), // short bursts are tolerated
		Edits:     cmp.Or(limits.Edits, 0.8),   // chat.update: 50 a minute (Tier 3)
		EditBurst: cmp.Or(limits.EditBurst, 5),
		MaxPause:  cmp.Or(limits.MaxPause, 30*time.Second),
		Settle:    cmp.Or(limits.Settle, settle),
		Room:      maxBlockText,
	}
	return &Sink{api: api, limits: l, find: newFinder(api, log)}
}

// settle is how long after a lost answer, of which a kill is one at once, Slack may still carry a call out. Posts half
// a minute late have been seen; no limit is documented.
const settle = 45 * time.Second

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
		return content{text: ringing(m.Plain(), m.Mentions, maxText)}, nil
	}
	_, words := mentions(m.Mentions)
	return content{text: strings.TrimSpace(bare(m) + " " + words)}, nil
}

// bare is what remains to be said of a message where everything that came from the cluster is refused.
func bare(m message.Message) string {
	return cmp.Or(m.Bare, fmt.Sprintf("Rollcall: %s, %d nodes. Slack refuses the details; type /nodes for them.",
		m.Kind, m.Nodes))
}

// Post implements deliver.Sink.
func (s *Sink) Post(ctx context.Context, to deliver.Place, mark deliver.Mark, m message.Message,
	form deliver.Form) (string, error) {
	c, err := formed(m, form)
	if err != nil {
		return "", err
	}
	opts := c.options(metadata(mark, m))
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
func (s *Sink) Edit(ctx context.Context, channel, ts string, mark deliver.Mark, m message.Message,
	form deliver.Form) error {
	c, err := formed(m, form)
	if err != nil {
		return err
	}
	_, _, _, err = s.api.UpdateMessageContext(ctx, channel, ts, c.options(metadata(mark, m))...)
	return err
}

// Metadata's event types: a contract with other automations that read the channel.
const (
	MetadataWave   = "rollcall_wave"
	MetadataDigest = "rollcall_digest"
)

// metadata is the message metadata that carries the mark. It holds nothing secret: every app in
// the workspace can read it.
func metadata(mark deliver.Mark, m message.Message) slack.SlackMetadata {
	meta := slack.SlackMetadata{EventType: MetadataWave, EventPayload: map[string]any{
		"key": mark.Key, "cluster": m.Cluster, "kind": m.Kind, "nodes": m.Nodes,
	}}
	if mark.Told > 0 {
		meta.EventPayload["told"] = mark.Told
	}
	if len(m.Causes) > 0 {
		causes := make([]map[string]any, len(m.Causes))
		for i, c := range m.Causes {
			causes[i] = map[string]any{"cause": string(c.Cause), "nodes": c.Nodes}
		}
		meta.EventPayload["causes"] = causes
	}
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
func (s *Sink) Find(ctx context.Context, to deliver.Place, key, after string) ([]deliver.Found, error) {
	return s.find.find(ctx, to.Channel, to.Thread, key, after)
}

// Delete implements deliver.Sink.
func (s *Sink) Delete(ctx context.Context, channel, ts string) error {
	_, _, err := s.api.DeleteMessageContext(ctx, channel, ts)
	return err
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
func (s *Sink) Upload(ctx context.Context, f deliver.File) (string, error) {
	to, err := s.api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{
		FileName: f.Name, FileSize: len(f.Data), AltTxt: clip(clean(f.Alt), maxAlt)})
	if err != nil {
		return "", err
	}
	err = s.api.UploadToURL(ctx, slack.UploadToURLParameters{
		UploadURL: to.UploadURL, Reader: bytes.NewReader(f.Data), Filename: f.Name})
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
