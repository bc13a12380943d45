package slackemu

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxFileAltText is the longest alt_txt (docs.slack.dev/reference/methods/files.getUploadURLExternal).
const MaxFileAltText = 1_000

// maxUpload is far below Slack's limit for files; nothing here needs more.
const maxUpload = 32 << 20

// fileUsable says whether a slack_file may name this file by id or URL. Callers hold mu.
func (s *Server) fileUsable(ref string) bool {
	f := s.files[ref]
	if f == nil {
		for _, x := range s.files {
			if ref == s.fileURL(x) {
				f = x
			}
		}
	}
	return f != nil && !f.CompletedAt.IsZero() && !time.Now().Before(f.ReadyAt)
}

func (s *Server) fileURL(f *File) string { return s.base + pathFiles + f.ID + "/" + f.Name }

func getUploadURL(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	n, convErr := strconv.Atoi(req.arg("length"))
	switch {
	case req.arg("filename") == "":
		return nil, badArgument("missing required field: filename")
	case req.arg("length") == "":
		return nil, badArgument("missing required field: length")
	case convErr != nil || n <= 0:
		return nil, badArgument("must be a positive number [json-pointer:/length]")
	case n > maxUpload:
		return nil, refuse("file_upload_size_restricted")
	case length(req.arg("alt_txt")) > MaxFileAltText:
		return nil, badArgument("must be less than %d characters [json-pointer:/alt_txt]", MaxFileAltText+1)
	}
	f := &File{ID: s.id("F"), Name: path.Base(req.arg("filename")), AltText: req.arg("alt_txt"), User: req.token.UserID,
		length: n}
	f.Title = f.Name
	s.files[f.ID] = f
	host := scheme(req.http, "http") + "://" + req.http.Host // clients insist on the host of the API
	return answer{"upload_url": host + pathUpload + f.ID + "-" + s.secret(), "file_id": f.ID}, nil
}

// serveUpload takes the bytes of a file, plain or as the multipart field "file". Upload URLs work once.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request, ticket string) {
	id, _, _ := strings.Cut(ticket, "-")
	call := Call{Method: MethodUpload, At: time.Now(), Args: map[string]string{"file": id}}
	content, kind, readErr := uploadBytes(r)
	s.withFault(w, r, &call, func() (int, answer, *apiError) {
		s.mu.Lock()
		defer s.mu.Unlock()
		f := s.files[id]
		switch {
		case r.Method != http.MethodPost:
			return 0, nil, &apiError{code: "method_not_allowed", status: http.StatusMethodNotAllowed}
		case f == nil || f.Uploaded:
			return 0, nil, &apiError{code: "not_found", status: http.StatusNotFound}
		case readErr != nil:
			return 0, nil, &apiError{code: "bad_request", status: http.StatusBadRequest}
		case len(content) != f.length:
			// Slack fails such uploads; how exactly is not documented.
			return 0, nil, &apiError{code: "length_mismatch", status: http.StatusBadRequest}
		}
		f.Content, f.Size, f.Mimetype, f.Uploaded = content, len(content), kind, true
		s.changed(Change{Kind: ChangeFile, File: f.ID})
		return http.StatusOK, answer{"text/plain": "OK - " + strconv.Itoa(len(content))}, nil
	})
}

func uploadBytes(r *http.Request) (content []byte, kind string, err error) {
	var body io.Reader = r.Body
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		parts, err := r.MultipartReader()
		if err != nil {
			return nil, "", err
		}
		for {
			part, err := parts.NextPart()
			if err != nil {
				return nil, "", err
			}
			if part.FileName() != "" {
				body = part
				break
			}
		}
	}
	content, err = io.ReadAll(io.LimitReader(body, maxUpload+1))
	// The rest must be read too, or the client's hanging up would not be noticed.
	_, _ = io.Copy(io.Discard, r.Body)
	return content, http.DetectContentType(content), err
}

func completeUpload(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if json.Unmarshal([]byte(req.arg("files")), &list) != nil || len(list) == 0 {
		return nil, badArgument("must provide an array of files [json-pointer:/files]")
	}
	var files []*File
	for _, x := range list {
		f := s.files[x.ID]
		if f == nil || !f.Uploaded || !f.CompletedAt.IsZero() || f.User != req.token.UserID {
			return nil, refuse("file_not_found")
		}
		files = append(files, f)
	}
	var channels []string
	if id := req.arg("channel_id"); id != "" {
		channels = append(channels, id)
	}
	for id := range strings.SplitSeq(req.arg("channels"), ",") {
		if id != "" {
			channels = append(channels, id)
		}
	}
	if req.arg("thread_ts") != "" && len(channels) != 1 {
		return nil, badArgument("thread_ts needs exactly one channel")
	}
	if req.arg("initial_comment") != "" && req.arg("blocks") != "" {
		return nil, badArgument("initial_comment and blocks exclude each other")
	}
	// Everything is checked before anything is shared.
	args := maps.Clone(req.args)
	args["text"] = req.arg("initial_comment")
	cont, err := s.content(args, req.hasScope)
	if err != nil {
		return nil, err
	}
	var posts []*Message
	var targets []*channelState
	for _, id := range channels {
		req.args["channel"] = id
		c, err := req.writable()
		if err != nil {
			if err.code == "not_in_channel" && req.hasScope("chat:write.public") {
				err = refuse("not_in_channel") // files need membership, whatever the scopes
			}
			return nil, err
		}
		if !c.member(req.token.UserID) {
			return nil, refuse("not_in_channel")
		}
		m := req.botMessage()
		if m.ThreadTS, err = req.thread(c); err != nil {
			return nil, err
		}
		cont.apply(m)
		m.Subtype = "file_share"
		posts, targets = append(posts, m), append(targets, c)
	}
	delete(req.args, "channel")
	now := time.Now()
	out := []any{}
	for i, f := range files {
		if list[i].Title != "" {
			f.Title = list[i].Title
		}
		f.CompletedAt, f.ReadyAt = now, now.Add(s.cfg.FileProcessing)
		f.Channels = slices.Clone(channels)
		out = append(out, s.fileObject(f))
		s.changed(Change{Kind: ChangeFile, File: f.ID})
	}
	for i, m := range posts {
		for _, f := range files {
			m.Files = append(m.Files, f.ID)
		}
		s.add(targets[i], m)
		req.call.Channel, req.call.TS = targets[i].ID, m.TS
	}
	return answer{"files": out}, nil
}

func (s *Server) fileObject(f *File) map[string]any {
	return map[string]any{
		"id": f.ID, "name": f.Name, "title": f.Title, "mimetype": f.Mimetype,
		"filetype": strings.TrimPrefix(path.Ext(f.Name), "."),
		"size":     f.Size, "user": f.User, "alt_txt": f.AltText, "created": f.CompletedAt.Unix(),
		"timestamp":   f.CompletedAt.Unix(),
		"url_private": s.fileURL(f), "mode": "hosted", "is_external": false, "channels": append([]string{}, f.Channels...),
	}
}

// serveFile gives a file's bytes to a token with files:read, as url_private does.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	id, _, _ := strings.Cut(name, "/")
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	allowed := slices.ContainsFunc(s.cfg.Tokens, func(t Token) bool {
		return t.Value == token && !t.Revoked && !t.Inactive && slices.Contains(t.Scopes, "files:read")
	})
	s.mu.Unlock()
	f, ok := s.File(id)
	switch {
	case !allowed:
		http.Error(w, "forbidden", http.StatusForbidden)
	case !ok || !f.Uploaded:
		http.Error(w, "not found", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", f.Mimetype)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(f.Content)
	}
}
