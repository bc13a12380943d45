package slackemu

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxModals is how many modals a person can have stacked (docs.slack.dev/surfaces/modals).
const maxModals = 3

// trigger is what a trigger_id stands for.
type trigger struct {
	user    string
	view    string // the modal in which the interaction took place, if any
	expires time.Time
	used    bool
}

// newTrigger makes a trigger_id. Callers hold mu.
func (s *Server) newTrigger(user, view string) string {
	if len(s.triggers) > 1000 {
		maps.DeleteFunc(s.triggers, func(_ string, t *trigger) bool { return time.Since(t.expires) > time.Hour })
	}
	id := fmt.Sprintf("%d.%d.%s", time.Now().UnixMilli(), s.rand.Uint32(), s.secret())
	s.triggers[id] = &trigger{user: user, view: view, expires: time.Now().Add(s.cfg.TriggerLife)}
	return id
}

// trigger exchanges the call's trigger_id: it is used up, whatever comes of the call. Callers hold mu.
func (req *request) trigger() (*trigger, *apiError) {
	id := req.arg("trigger_id")
	if id == "" {
		return nil, badArgument("missing required field: trigger_id")
	}
	t := req.s.triggers[id]
	switch {
	case t == nil:
		return nil, refuse("invalid_trigger_id")
	case t.used:
		return nil, refuse("exchanged_trigger_id")
	case time.Now().After(t.expires):
		return nil, refuse("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

// checkView checks a view payload of the given type and returns it with ids filled in. Callers hold mu.
func (s *Server) checkView(raw, kind string) (map[string]any, *apiError) {
	if raw == "" {
		return nil, badArgument("missing required field: view")
	}
	if len(raw) > MaxViewBytes {
		return nil, refuse("view_too_large")
	}
	val, err := decodeJSON([]byte(raw))
	if err != nil {
		return nil, badArgument("must be a JSON object [json-pointer:/view]")
	}
	surface := SurfaceModal
	fields := []string{"type", "blocks", "private_metadata", "callback_id", "external_id", "title", "submit", "close",
		"clear_on_close", "notify_on_close", "submit_disabled"}
	if kind == "home" {
		surface, fields = SurfaceHome, fields[:5]
	}
	v := s.validator(surface, nil)
	o, ok := v.object(val, "/view")
	if !ok {
		return nil, refuseInvalid(v.err())
	}
	if o.enum("type", true, kind); o.kind() != kind {
		return nil, refuseInvalid(v.err())
	}
	o.only(fields...)
	o.str("private_metadata", false, 0, MaxPrivateMetadata)
	o.str("callback_id", false, 0, MaxID)
	external := o.str("external_id", false, 0, MaxID)
	blocks := o.list("blocks", true, 0, MaxViewBlocks)
	v.blocks(blocks, "/view/blocks")
	if kind == "modal" {
		o.text("title", true, plainText, MaxViewTitle)
		o.text("submit", false, plainText, MaxViewTitle)
		o.text("close", false, plainText, MaxViewTitle)
		o.boolean("clear_on_close", false)
		o.boolean("notify_on_close", false)
		o.boolean("submit_disabled", false)
		if v.hasInput && !o.has("submit") {
			v.fail("/view", "missing required field: submit (the view has input blocks)")
		}
	}
	if err := v.err(); err != nil {
		return nil, refuseInvalid(err)
	}
	if external != "" {
		for _, x := range s.views {
			if x.ExternalID == external && x.Open {
				return o.m, refuse("duplicate_external_id")
			}
		}
	}
	fillIDs(blocks, s.shortID)
	return o.m, nil
}

// CheckView checks the JSON of a view of type "modal" or "home" as views.open and views.publish do, without a server's
// state. It returns nil or an *InvalidError.
func CheckView(view json.RawMessage) error {
	var probe struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(view, &probe) // a wrong type is found below
	s := New(Config{})
	defer s.end()
	kind := "modal"
	if probe.Type == "home" {
		kind = "home"
	}
	if _, err := s.checkView(string(view), kind); err != nil {
		return &InvalidError{Code: err.code, Messages: err.messages}
	}
	return nil
}

// fill takes over a checked payload. Callers hold mu.
func (v *View) fill(raw map[string]any, s *Server) {
	str := func(key string) string { x, _ := raw[key].(string); return x }
	text := func(key string) string {
		o, _ := raw[key].(map[string]any)
		x, _ := o["text"].(string)
		return x
	}
	flag := func(key string) bool { x, _ := raw[key].(bool); return x }
	v.raw, v.Type = raw, str("type")
	v.CallbackID, v.ExternalID, v.PrivateMetadata = str("callback_id"), str("external_id"), str("private_metadata")
	v.Title, v.Submit, v.Close = text("title"), text("submit"), text("close")
	v.ClearOnClose, v.NotifyOnClose = flag("clear_on_close"), flag("notify_on_close")
	v.Blocks = mustJSON(raw["blocks"])
	v.Hash = fmt.Sprintf("%d.%s", time.Now().Unix(), s.secret()[:8])
	v.Versions++
	v.Errors = nil
	s.changed(Change{Kind: ChangeView, View: v.ID, User: v.User})
}

// object is the view as the Web API and payloads show it. Callers hold mu.
func (v *View) object(s *Server) map[string]any {
	o := map[string]any{
		"private_metadata": "", "callback_id": "", "external_id": "", "title": nil, "submit": nil, "close": nil,
		"clear_on_close": false, "notify_on_close": false,
	}
	maps.Copy(o, v.raw)
	o["id"], o["team_id"], o["hash"] = v.ID, s.cfg.TeamID, v.Hash
	o["root_view_id"], o["previous_view_id"] = v.RootViewID, nil
	if v.PreviousViewID != "" {
		o["previous_view_id"] = v.PreviousViewID
	}
	o["app_id"], o["bot_id"], o["app_installed_team_id"] = s.cfg.AppID, s.cfg.BotID, s.cfg.TeamID
	o["state"] = map[string]any{"values": stateValues(v.raw["blocks"], v.values)}
	return o
}

func (v *View) clone() View {
	c := *v
	c.Blocks, c.Errors = slices.Clone(v.Blocks), maps.Clone(v.Errors)
	c.raw, c.values = nil, nil
	return c
}

// openModal puts a new modal on top of a person's stack. Callers hold mu.
func (s *Server) openModal(user string, raw map[string]any, push bool) *View {
	v := &View{ID: s.id("V"), User: user, Open: true, OpenedAt: time.Now()}
	v.RootViewID = v.ID
	stack := s.modals[user]
	if push && len(stack) > 0 {
		v.PreviousViewID = stack[len(stack)-1]
		v.RootViewID = s.views[v.PreviousViewID].RootViewID
	} else {
		s.closeModals(user)
	}
	s.views[v.ID] = v
	s.modals[user] = append(s.modals[user], v.ID)
	v.fill(raw, s)
	return v
}

func (s *Server) closeModals(user string) {
	for _, id := range s.modals[user] {
		s.views[id].Open = false
		s.changed(Change{Kind: ChangeView, View: id, User: user})
	}
	delete(s.modals, user)
}

// closeModal closes one modal; those above it go too. Callers hold mu.
func (s *Server) closeModal(v *View) {
	stack := s.modals[v.User]
	i := slices.Index(stack, v.ID)
	if i < 0 {
		return
	}
	for _, id := range stack[i:] {
		s.views[id].Open = false
		s.changed(Change{Kind: ChangeView, View: id, User: v.User})
	}
	s.modals[v.User] = stack[:i]
}

func viewsOpen(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := req.trigger()
	if err != nil {
		return nil, err
	}
	raw, err := s.checkView(req.arg("view"), "modal")
	if err != nil {
		return nil, err
	}
	return answer{"view": s.openModal(t.user, raw, false).object(s)}, nil
}

func viewsPush(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := req.trigger()
	if err != nil {
		return nil, err
	}
	root := s.views[t.view]
	if root == nil || !root.Open || root.Type != "modal" {
		return nil, refuse("not_found") // the trigger is not of an open modal
	}
	raw, err := s.checkView(req.arg("view"), "modal")
	if err != nil {
		return nil, err
	}
	if len(s.modals[t.user]) >= maxModals {
		return nil, refuse("push_limit_reached")
	}
	return answer{"view": s.openModal(t.user, raw, true).object(s)}, nil
}

func viewsUpdate(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	id, external := req.arg("view_id"), req.arg("external_id")
	if id == "" && external == "" {
		return nil, badArgument("missing required field: view_id")
	}
	var v *View
	for _, x := range s.views {
		if x.Open && (x.ID == id || id == "" && x.ExternalID == external) {
			v = x
		}
	}
	if v == nil {
		return nil, refuse("not_found")
	}
	if h := req.arg("hash"); h != "" && h != v.Hash {
		return nil, refuse("hash_conflict")
	}
	own := v.ExternalID
	v.ExternalID = "" // its own external id is not a duplicate
	raw, err := s.checkView(req.arg("view"), v.Type)
	v.ExternalID = own
	if err != nil {
		return nil, err
	}
	v.fill(raw, s)
	return answer{"view": v.object(s)}, nil
}

func viewsPublish(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	user := req.arg("user_id")
	switch {
	case user == "":
		return nil, badArgument("missing required field: user_id")
	case s.users[user] == nil:
		return nil, badArgument("user_not_found [json-pointer:/user_id]")
	}
	v := s.views[s.homes[user]]
	if h := req.arg("hash"); h != "" && (v == nil || h != v.Hash) {
		return nil, refuse("hash_conflict")
	}
	own := ""
	if v != nil {
		own, v.ExternalID = v.ExternalID, ""
	}
	raw, err := s.checkView(req.arg("view"), "home")
	if v != nil {
		v.ExternalID = own
	}
	if err != nil {
		return nil, err
	}
	if v == nil {
		v = &View{ID: s.id("V"), User: user, Open: true, OpenedAt: time.Now()}
		v.RootViewID = v.ID
		s.views[v.ID], s.homes[user] = v, v.ID
	}
	v.fill(raw, s)
	return answer{"view": v.object(s)}, nil
}

// Modals returns the modals that a person has open, the top one last.
func (s *Server) Modals(user string) []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []View
	for _, id := range s.modals[user] {
		out = append(out, s.views[id].clone())
	}
	return out
}

// View returns a view by id, also a closed one.
func (s *Server) View(id string) (View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[id]; v != nil {
		return v.clone(), true
	}
	return View{}, false
}

// Home returns the home tab that the app has published for a person.
func (s *Server) Home(user string) (View, bool) {
	s.mu.Lock()
	id := s.homes[user]
	s.mu.Unlock()
	return s.View(id)
}
