package slackemu

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
)

func TestUpload(t *testing.T) {
	s := Start(t, Config{FileProcessing: time.Hour})
	api := client(s)
	png := append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{7}, 100)...)
	sum, err := api.UploadFile(slack.UploadFileParameters{
		Filename: "digest.png", Title: "Digest", AltTxt: "a chart", FileSize: len(png), Reader: bytes.NewReader(png),
		Channel: ChannelOps, InitialComment: "yesterday",
	})
	must(t, err)
	f, ok := s.File(sum.ID)
	if !ok || !bytes.Equal(f.Content, png) || f.Title != "Digest" || f.AltText != "a chart" || f.Mimetype != "image/png" ||
		f.CompletedAt.IsZero() {
		t.Errorf("file %+v", f)
	}
	list := s.Messages(ChannelOps)
	if len(list) != 1 || list[0].Text != "yesterday" || list[0].Files[0] != sum.ID {
		t.Errorf("messages %+v", list)
	}
	img := slack.NewImageBlockSlackFile(&slack.SlackFileObject{ID: sum.ID}, "a chart", "", nil)
	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionBlocks(img)); code(err) != "invalid_blocks" {
		t.Errorf("a picture that is still processed: %v", err)
	}
	// The bytes need files:read.
	get := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(s.APIURL(), "/api/")+
			"/files-pri/"+f.ID+"/digest.png", nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+DefaultBotToken)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get(); got != http.StatusForbidden {
		t.Errorf("without files:read: HTTP %d", got)
	}
	s.AddScope(DefaultBotToken, "files:read")
	if got := get(); got != http.StatusOK {
		t.Errorf("with files:read: HTTP %d", got)
	}
}

func TestSlackFileOnceProcessed(t *testing.T) {
	s := Start(t, Config{FileProcessing: time.Nanosecond})
	api := client(s)
	sum, err := api.UploadFile(slack.UploadFileParameters{Filename: "a.png", FileSize: 3, Content: "abc"})
	must(t, err)
	img := slack.NewImageBlockSlackFile(&slack.SlackFileObject{ID: sum.ID}, "a chart", "", nil)
	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionBlocks(img)); err != nil {
		t.Errorf("a processed picture: %v", err)
	}
	if _, _, err := api.PostMessage(ChannelOps,
		slack.MsgOptionBlocks(slack.NewImageBlockSlackFile(&slack.SlackFileObject{ID: "F0"}, "x", "", nil))); code(
		err) != "invalid_blocks" {
		t.Errorf("no such picture: %v", err)
	}
}

func TestUploadMistakes(t *testing.T) {
	s := Start(t, Config{})
	api := client(s)
	up, err := api.GetUploadURLExternalContext(t.Context(),
		slack.GetUploadURLExternalParameters{FileName: "a.txt", FileSize: 5})
	must(t, err)
	put := func(content string) int {
		resp, err := http.Post(up.UploadURL, "application/octet-stream", strings.NewReader(content))
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := put("too long for it"); got != http.StatusBadRequest {
		t.Errorf("wrong length: HTTP %d", got)
	}
	complete := func(channel string) error {
		_, err := api.CompleteUploadExternalContext(t.Context(),
			slack.CompleteUploadExternalParameters{Files: []slack.FileSummary{{ID: up.FileID}}, Channel: channel})
		return err
	}
	if err := complete(ChannelOps); code(err) != "file_not_found" {
		t.Errorf("completed before the upload: %v", err)
	}
	if got := put("hello"); got != http.StatusOK {
		t.Errorf("upload: HTTP %d", got)
	}
	if got := put("hello"); got != http.StatusNotFound {
		t.Errorf("second upload: HTTP %d", got)
	}
	if err := complete(ChannelOther); code(err) != "not_in_channel" {
		t.Errorf("shared where the bot is not: %v", err)
	}
	must(t, complete(ChannelOps))
	if err := complete(ChannelOps); code(err) != "file_not_found" {
		t.Errorf("completed twice: %v", err)
	}
	s.RemoveScope(DefaultBotToken, "files:write")
	_, err = api.GetUploadURLExternalContext(t.Context(),
		slack.GetUploadURLExternalParameters{FileName: "a.txt", FileSize: 5})
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); !ok || e.Needed != "files:write" {
		t.Errorf("without files:write: %v", err)
	}
	_, err = api.GetUploadURLExternalContext(t.Context(),
		slack.GetUploadURLExternalParameters{FileName: "a.txt", FileSize: 5, AltTxt: rep(1001)})
	if code(err) != "missing_scope" {
		t.Errorf("got %v", err)
	}
}
