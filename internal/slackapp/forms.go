package slackapp

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/command"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// form is what a modal's private metadata stands for. The metadata itself is a token without
// meaning: it comes back from the person's client, and response_urls are secrets.
type form struct {
	user    string
	channel string   // where it was opened, "" from the Home tab
	to      delivery // where the answer to its submission goes
	over    bool     // it lies over another modal, so the answer takes its own place
	line    string   // the command that it edits
	muting  string   // the key of the wave whose nodes it mutes
	made    time.Time
}

// How many forms are remembered, and for how long. Whoever submits an older one is asked to
// begin again.
const (
	formLife = 2 * time.Hour
	maxForms = 2000
)

// forms remembers what modals are about.
type forms struct {
	mu   sync.Mutex
	open map[string]form // by token; guarded by mu
}

// put remembers a form and returns its token.
func (f *forms) put(x form) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[string]form{}
	}
	x.made = time.Now()
	if len(f.open) >= maxForms {
		oldest, when := "", x.made
		for token, o := range f.open {
			if x.made.Sub(o.made) > formLife {
				delete(f.open, token)
			} else if o.made.Before(when) {
				oldest, when = token, o.made
			}
		}
		if len(f.open) >= maxForms {
			delete(f.open, oldest)
		}
	}
	token := rand.Text()
	f.open[token] = x
	return token
}

// remember is put, with the Owner's signature behind the token.
func (c *Commands) remember(x form) string { return sign(c.forms.put(x), c.owner.String()) }

// get returns a person's own form.
func (f *forms) get(token, user string) (form, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, ok := f.open[token]
	return x, ok && x.user == user && time.Since(x.made) < formLife
}

// The forms' callback IDs.
const (
	callbackFilter = "filter"
	callbackMute   = "mute"
)

// request is a command's request that a form can edit: command.Nodes or command.Events.
type request interface {
	Set(flag, value string, now time.Time) error
	Value(flag string) string
	Validate(now time.Time) error
	String() string
}

// parse reads the request of a command line.
func parse(line string, now time.Time) (request, command.Help, error) {
	name, text, _ := strings.Cut(line, " ")
	if name == "/events" {
		e, err := command.ParseEvents(text, now)
		return &e, command.EventsHelp, err
	}
	n, err := command.ParseNodes(text, now)
	if n.View == command.One || n.View == command.HelpOnNodes {
		n = command.Nodes{Cluster: n.Cluster}
	}
	return &n, command.NodesHelp, err
}

// notInForms are the flags that a form leaves as they are.
var notInForms = []string{"page", "cluster", "all-namespaces", "before", "after", "spot", "on-demand", "reserved"}

// textField is the field of /events' words, which belong to no flag.
const textField = "text"

// openFilter opens the form that edits a command's filters.
func (c *Commands) openFilter(ctx context.Context, s scene, line string, now time.Time) {
	req, help, err := parse(line, now)
	if err != nil {
		c.show(ctx, s, c.answer(ctx, s.who.User, line, s.surface()))
		return
	}
	x := form{user: s.who.User, channel: s.who.Channel, to: s.to, over: s.on == onModal, line: line}
	x.to.replace = s.quiet
	title := "Filter nodes"
	if help.Command == "/events" {
		title = "Filter events"
	}
	m := slack.ModalViewRequest{Type: slack.VTModal, CallbackID: callbackFilter, Title: plainText(title),
		Submit: plainText("Show"), Close: plainText("Cancel"),
		PrivateMetadata: c.remember(x)}
	var toggles []command.Flag
	if e, ok := req.(*command.Events); ok {
		m.Blocks.BlockSet = append(m.Blocks.BlockSet,
			field(textField, "Which words?", "all must stand in its note, reason or object", "Insufficient cpu",
				strings.Join(e.Text, " ")))
	}
	for _, f := range help.Flags {
		switch {
		case slices.Contains(notInForms, f.Name):
		case f.Value == "":
			toggles = append(toggles, f)
		case len(f.Choices) > 0 && f.Name != "by":
			m.Blocks.BlockSet = append(m.Blocks.BlockSet, menu(f, req.Value(f.Name)))
		default:
			m.Blocks.BlockSet = append(m.Blocks.BlockSet,
				field(f.Name, f.Ask, hint(f), f.Example, req.Value(f.Name)))
		}
	}
	if len(toggles) > 0 {
		m.Blocks.BlockSet = append(m.Blocks.BlockSet, switches(toggles, req))
	}
	c.openForm(ctx, s, m)
}

// openForm opens a form over whatever there is. Slack takes a trigger_id for 3 s only.
func (c *Commands) openForm(ctx context.Context, s scene, m slack.ModalViewRequest) {
	open := c.api.OpenViewContext
	if s.on == onModal {
		open = c.api.PushViewContext
	}
	if _, err := open(ctx, s.trigger, m); err != nil {
		c.log.Warn("a form could not be opened", "user", s.who.User, "form", m.CallbackID, "err", err)
		if s.on == onMessage {
			const sorry = "Slack did not open the form in time. Please press the button again."
			s.to.replace = false
			c.show(ctx, s, c.draw(message.Notice("⚠️", sorry), onMessage))
		}
	}
}

// The IDs of a form's elements: an input's action_id, with its block_id the flag's name.
const (
	fieldValue  = "value"
	fieldChecks = "checks"
	// any is the option of a menu that sets nothing.
	anyOption = "any"
)

func field(id, label, hint, example, value string) slack.Block {
	e := slack.NewPlainTextInputBlockElement(plainText(clip("for example "+example, 150)), fieldValue)
	e.InitialValue = value
	e.MaxLength = command.MaxLength
	b := slack.NewInputBlock(id, plainText(label), plainText(clip(hint, 150)), e)
	b.Optional = true
	return b
}

// hint is what stands below a field: what it means, and how it is typed.
func hint(f command.Flag) string {
	return capital(f.Meaning) + " (--" + f.Name + ")"
}

// capital begins a label.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func menu(f command.Flag, value string) slack.Block {
	options := []*slack.OptionBlockObject{slack.NewOptionBlockObject(anyOption, plainText("any"), nil)}
	initial := options[0]
	for _, choice := range f.Choices {
		o := slack.NewOptionBlockObject(choice, plainText(choice), nil)
		options = append(options, o)
		if strings.EqualFold(choice, value) {
			initial = o
		}
	}
	e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("any"), fieldValue, options...)
	e.InitialOption = initial
	b := slack.NewInputBlock(f.Name, plainText(f.Ask), plainText(clip(hint(f), 150)), e)
	b.Optional = true
	return b
}

func switches(flags []command.Flag, req request) slack.Block {
	var options, on []*slack.OptionBlockObject
	for _, f := range flags {
		o := slack.NewOptionBlockObject(f.Name, plainText(clip(capital(f.Meaning), maxButton)), nil)
		options = append(options, o)
		if req.Value(f.Name) != "" {
			on = append(on, o)
		}
	}
	e := slack.NewCheckboxGroupsBlockElement(fieldChecks, options...)
	e.InitialOptions = on
	b := slack.NewInputBlock(fieldChecks, plainText("Anything else?"), nil, e)
	b.Optional = true
	return b
}

// submitted takes a form. Mistakes are answered beside their fields.
func (c *Commands) submitted(ctx context.Context, app string, who asker, in slack.InteractionCallback) any {
	x, of, ok := c.formOf(in.View, who.User)
	who.Channel = x.channel
	if r := c.mayNot(ctx, who, app, "a form"); r.why != "" {
		return instead("🚫 "+c.answers.Names().Show(r.why), "")
	}
	if of != (Owner{}) && !c.owner.owns(of) {
		c.log.Warn("a form of another Rollcall was submitted", "user", who.User, "form", in.View.CallbackID, "of", of)
		return c.disown(in.View, of)
	}
	if !ok {
		return instead("⚠️ This form is too old, or Rollcall was restarted meanwhile. Please type the command again, or "+
			"press the button once more.", "")
	}
	switch in.View.CallbackID {
	case callbackFilter:
		return c.filtered(ctx, x, in)
	case callbackMute:
		return c.muted(ctx, x, in)
	}
	return nil
}

// instead answers a submission with a modal that says something.
func instead(text, metadata string) any {
	return slack.NewUpdateViewSubmissionResponse(&slack.ModalViewRequest{Type: slack.VTModal, Title: plainText("Rollcall"),
		Close: plainText("Close"), PrivateMetadata: metadata,
		Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewSectionBlock(plainText(text), nil, nil)}}})
}

// filtered shows what a filter form asks for.
func (c *Commands) filtered(ctx context.Context, x form, in slack.InteractionCallback) any {
	now := time.Now()
	req, help, err := parse(x.line, now)
	if err != nil {
		return nil // it could be read when the form was opened
	}
	wrong := map[string]string{}
	// A form replaces a page's place: other filters have other pages.
	for _, flag := range []string{"page", "before", "after"} {
		req.Set(flag, "", now)
	}
	for _, f := range help.Flags {
		state, ok := in.View.State.Values[f.Name]
		if !ok {
			continue
		}
		value := cmp.Or(state[fieldValue].Value, state[fieldValue].SelectedOption.Value)
		if value == anyOption {
			value = ""
		}
		if err := req.Set(f.Name, strings.TrimSpace(value), now); err != nil {
			wrong[f.Name] = clip(err.Error(), 150)
		}
	}
	if state, ok := in.View.State.Values[fieldChecks]; ok {
		for _, f := range help.Flags {
			if f.Value != "" || slices.Contains(notInForms, f.Name) {
				continue
			}
			value := ""
			if slices.ContainsFunc(state[fieldChecks].SelectedOptions,
				func(o slack.OptionBlockObject) bool { return o.Value == f.Name }) {
				value = "true"
			}
			if err := req.Set(f.Name, value, now); err != nil {
				wrong[fieldChecks] = clip(err.Error(), 150)
			}
		}
	}
	if e, ok := req.(*command.Events); ok {
		if err := e.SetText(in.View.State.Values[textField][fieldValue].Value); err != nil {
			wrong[textField] = clip(err.Error(), 150)
		}
	}
	if err := req.Validate(now); err != nil && len(wrong) == 0 {
		wrong[c.blame(err, in)] = clip(err.Error(), 150)
	}
	if len(wrong) > 0 {
		return slack.NewErrorsViewSubmissionResponse(wrong)
	}
	line := strings.TrimSpace(help.Command + " " + req.String())
	if x.over || x.to.responseURL == "" {
		what := c.answer(ctx, x.user, line, onModal) // it goes with the acknowledgement
		view := c.modal(scene{who: asker{User: x.user, Channel: x.channel}}, what)
		return slack.NewUpdateViewSubmissionResponse(&view)
	}
	c.later(ctx, func(ctx context.Context) { c.deliver(ctx, x.to, c.answer(ctx, x.user, line, onMessage)) })
	return slack.NewClearViewSubmissionResponse()
}

// blame finds the field that a mistake about the whole is shown at.
func (c *Commands) blame(err error, in slack.InteractionCallback) string {
	text := err.Error()
	if m, ok := errors.AsType[*command.Mistake](err); ok {
		_, bad, _ := m.Marked()
		text = bad + " " + text
	}
	for _, b := range in.View.Blocks.BlockSet {
		if input, ok := b.(*slack.InputBlock); ok && strings.Contains(text, "--"+input.BlockID) {
			return input.BlockID
		}
	}
	for _, b := range in.View.Blocks.BlockSet {
		if input, ok := b.(*slack.InputBlock); ok {
			return input.BlockID
		}
	}
	return fieldChecks
}

// The mute form.
const (
	fieldScope = "scope"
	fieldUntil = "until"
)

// muteFor are the spans that a mute may last; "morning" is until tomorrow at nine.
var muteFor = []struct {
	value, label string
	span         time.Duration
}{{"1h", "1 hour", time.Hour}, {"4h", "4 hours", 4 * time.Hour}}

const (
	untilMorning = "morning"
	morningHour  = 9
)

// morning is the next day's nine o'clock where a person is.
func morning(now time.Time, zone *time.Location) time.Time {
	local := now.In(zone)
	return time.Date(local.Year(), local.Month(), local.Day()+1, morningHour, 0, 0, 0, zone)
}

// openMute opens the form that mutes what a message is about. value is its wave's key.
func (c *Commands) openMute(ctx context.Context, s scene, value string, now time.Time) {
	zone := c.zoneOf(ctx, s.who.User)
	scopes, about, err := c.answers.MuteScopes(ctx, value)
	if err != nil {
		c.log.Error("looking up what can be muted failed", "err", err)
	}
	var options []*slack.OptionBlockObject
	for _, o := range scopes {
		if units(o.Value) > maxOptionValue {
			continue
		}
		options = append(options, slack.NewOptionBlockObject(o.Value, plainText(clip(clean(o.Label), maxButton)), nil))
	}
	scope := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("Which alerts"), fieldValue, options...)
	if about > 0 { // what the message is about, and never everything
		scope.InitialOption = options[0]
	}
	var spans []*slack.OptionBlockObject
	for _, m := range muteFor {
		spans = append(spans, slack.NewOptionBlockObject(m.value, plainText(m.label), nil))
	}
	spans = append(spans,
		slack.NewOptionBlockObject(untilMorning,
			plainText(clip(fmt.Sprintf("until tomorrow %d:00 (%s)", morningHour, zone), maxButton)), nil))
	until := slack.NewRadioButtonsBlockElement(fieldValue, spans...)
	until.InitialOption = spans[0]
	x := form{user: s.who.User, channel: s.who.Channel, to: s.to, over: s.on == onModal, muting: value}
	c.openForm(ctx, s,
		slack.ModalViewRequest{Type: slack.VTModal, CallbackID: callbackMute, Title: plainText("Mute alerts"),
			Submit: plainText("Mute"), Close: plainText("Cancel"),
			PrivateMetadata: c.remember(x), Blocks: slack.Blocks{BlockSet: []slack.Block{
				slack.NewInputBlock(fieldScope, plainText("Which alerts?"), nil, scope),
				slack.NewInputBlock(fieldUntil, plainText("For how long?"), nil, until),
				slack.NewContextBlock("",
					plainText(c.answers.Names().Show("Everything is still recorded: /nodes and /events show it, and the channel is "+
						"told who muted what, and when it ends. Anybody can undo it."))),
			}}})
}

// muted records a mute. The channel is told by the teller, like everything else; the person is
// not told twice.
func (c *Commands) muted(ctx context.Context, x form, in slack.InteractionCallback) any {
	now := time.Now()
	scope, value, ok := strings.Cut(in.View.State.Values[fieldScope][fieldValue].SelectedOption.Value, ":")
	span := in.View.State.Values[fieldUntil][fieldValue].SelectedOption.Value
	until := morning(now, c.zoneOf(ctx, x.user))
	if span != untilMorning {
		i := slices.IndexFunc(muteFor, func(m struct {
			value, label string
			span         time.Duration
		}) bool {
			return m.value == span
		})
		if i < 0 {
			return slack.NewErrorsViewSubmissionResponse(map[string]string{fieldUntil: "Choose one of these."})
		}
		until = now.Add(muteFor[i].span)
	}
	if !ok || !slices.Contains([]wave.MuteScope{wave.MuteCluster, wave.MutePool, wave.MuteType, wave.MuteDeployment},
		wave.MuteScope(scope)) ||
		(value == "") != (scope == string(wave.MuteCluster)) {
		return slack.NewErrorsViewSubmissionResponse(map[string]string{fieldScope: "Choose one of these."})
	}
	err := c.answers.Mute(ctx, wave.Mute{Request: in.View.ID, Scope: wave.MuteScope(scope), Value: value,
		By: x.user, ByName: cmp.Or(in.User.Name, x.user), Channel: x.channel, At: now, Until: until})
	if err != nil {
		c.log.Error("recording a mute failed", "err", err)
		return slack.NewErrorsViewSubmissionResponse(
			map[string]string{fieldScope: "That could not be recorded. Please try again."})
	}
	c.home.poke()
	return slack.NewClearViewSubmissionResponse()
}
