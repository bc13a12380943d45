package slackapp

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"rollcall/internal/alert/alerttest"
	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
	"rollcall/test/browser"
)

var pictures = flag.Bool("pictures", false, "take the pictures of docs/messages again")

// pictureFolder holds two pictures of every scene, and a page that shows them.
var pictureFolder = filepath.Join("..", "..", "docs", "messages")

// readmePicture shows what a day cost, on a phone.
var readmePicture = filepath.Join("..", "..", "docs", "digest-phone.png")

// pictureScale is how many pixels of a picture a CSS pixel has.
const pictureScale = 1.25

// seen is a message as somebody sees it on a phone.
type seen struct {
	content
	private bool // an answer, which one person sees
}

// album is a chapter of scenes that are looked at in the same moment.
type album struct {
	title  string
	at     time.Time
	scenes map[string]seen
}

// albums are all messages that the golden files hold.
func albums(t *testing.T) []album {
	t.Helper()
	alerts := album{"Alerts, and what stands in their threads", alerttest.T0.Add(2 * time.Hour), map[string]seen{}}
	for name, m := range messages() {
		alerts.scenes[name] = seen{content: render(m, onMessage)}
	}
	daily := album{"Digests", noon, map[string]seen{}}
	for name, m := range digests(t) {
		daily.scenes["digest-of-"+name] = seen{content: charted(m)}
	}
	answers := album{"Answers", noon, map[string]seen{}}
	c := deskAt(t)
	for name, line := range views {
		answers.scenes[name] = seen{content: best(c.To(t.Context(), line, noon), onMessage), private: true}
	}
	return []album{alerts, daily, answers}
}

// TestOnAPhone shows every message on a phone of 360 pixels: the first three columns of every table can be read whole,
// and no alert needs to be scrolled sideways. With -pictures it takes the pictures of docs/messages.
func TestOnAPhone(t *testing.T) {
	if *pictures {
		old, err := filepath.Glob(filepath.Join(pictureFolder, "*.png"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, a := range albums(t) {
		t.Run(a.title, func(t *testing.T) {
			tab, at := showAlbum(t, a)
			for _, name := range slices.Sorted(maps.Keys(a.scenes)) {
				selector := fmt.Sprintf(`#log [data-ts="%s"]`, at[name])
				tab.Eval(fmt.Sprintf(`(() => {
					document.querySelectorAll("[data-alone]").forEach((e) => delete e.dataset.alone);
					document.querySelector('%s').dataset.alone = "";
				})()`, selector), nil)
				for _, problem := range cut(t, tab, selector, strings.HasPrefix(a.title, "Alerts")) {
					t.Errorf("%s: %s", name, problem)
				}
				if !*pictures {
					continue
				}
				for _, theme := range []string{"light", "dark"} {
					tab.ColorScheme(theme)
					shot := decodePicture(t, tab.Picture(selector+" .body", pictureScale))
					writePicture(t, filepath.Join(pictureFolder, pictureName(name, theme)), shot)
					if name == "digest-of-day" && theme == "dark" {
						writePicture(t, readmePicture, above(t, tab, shot, selector))
					}
				}
				tab.ColorScheme("light")
			}
		})
	}
}

// showAlbum posts the scenes into a workspace and opens it on a phone. It returns where each scene stands.
func showAlbum(t *testing.T, a album) (tab *browser.Tab, at map[string]string) {
	t.Helper()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	api := slack.New(slackemu.DefaultBotToken, slack.OptionAPIURL(s.APIURL()),
		slack.OptionHTTPClient(&http.Client{Timeout: 10 * time.Second}))
	at = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(a.scenes)) {
		// A person's word before each message, so that each has its head.
		if _, err := s.Post(slackemu.UserAda, slackemu.ChannelOps, name, ""); err != nil {
			t.Fatal(err)
		}
		sc := a.scenes[name]
		options := []slack.MsgOption{slack.MsgOptionText(sc.text, false), slack.MsgOptionBlocks(sc.blocks...)}
		var err error
		if sc.private {
			at[name], err = api.PostEphemeral(slackemu.ChannelOps, slackemu.UserAda, options...)
		} else {
			_, at[name], err = api.PostMessage(slackemu.ChannelOps, options...)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	srv := httptest.NewServer(page.New(page.Config{Slack: s}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	tab = browser.Start(t)
	tab.Freeze(a.at)
	tab.ColorScheme("light")
	tab.Viewport(360, 740)
	tab.Open(srv.URL + "/?user=" + slackemu.UserAda + "#" + slackemu.ChannelOps)
	tab.See("#log", "APP")
	// One message is shown at a time, at its full height and always in the same place, and nothing tells when.
	tab.Eval(`(() => {
		const sheet = new CSSStyleSheet();
		sheet.replaceSync("#log :is(article, .line):not([data-alone]) { display: none } " +
			".head time, .tools { visibility: hidden } html, body, #page, .app, .pane, .log { height: auto; " +
			"overflow: visible } .body { padding: 4px 6px; background: var(--bg) }");
		document.adoptedStyleSheets = [sheet];
	})()`, nil)
	return tab, at
}

// cut says what of a message cannot be seen without scrolling: in the first three columns of its tables or, strictly,
// in any.
func cut(t *testing.T, tab *browser.Tab, selector string, strictly bool) []string {
	t.Helper()
	var problems []string
	tab.Eval(fmt.Sprintf(`(() => {
		const message = document.querySelector(%q);
		const right = message.querySelector(".body").getBoundingClientRect().right + 0.5;
		const out = [];
		if (document.documentElement.scrollWidth > innerWidth) out.push("the page can be scrolled sideways");
		for (const box of message.querySelectorAll(".scroll")) {
			if (%t && box.scrollWidth > box.clientWidth) {
				out.push("a table of " + box.scrollWidth + " pixels has to be scrolled in " + box.clientWidth);
			}
			for (const row of box.querySelectorAll("tr")) {
				for (const cell of [...row.cells].slice(0, 3)) {
					const edge = cell.getBoundingClientRect().right;
					if (edge > right) out.push("the cell " + cell.innerText + " ends " + Math.round(edge - right) + " pixels outside");
					if (cell.scrollWidth > cell.clientWidth) out.push("the cell " + cell.innerText + " is cut");
				}
			}
		}
		for (const e of message.querySelectorAll(".block, .p, .button")) {
			if (!e.closest(".scroll") && e.getBoundingClientRect().right > right) out.push("outside: " + e.innerText);
		}
		return out;
	})()`, selector, strictly), &problems)
	return problems
}

func pictureName(scene, theme string) string {
	if theme == "dark" {
		return scene + "-dark.png"
	}
	return scene + ".png"
}

// above is the part of a picture that ends with the message's table.
func above(t *testing.T, tab *browser.Tab, shot *image.RGBA, selector string) image.Image {
	t.Helper()
	var height float64
	tab.Eval(fmt.Sprintf(`document.querySelector('%[1]s .b-table').getBoundingClientRect().bottom -
		document.querySelector('%[1]s .body').getBoundingClientRect().top + 8`, selector), &height)
	return shot.SubImage(image.Rect(0, 0, shot.Bounds().Dx(), int(height*pictureScale)))
}

func decodePicture(t *testing.T, data []byte) *image.RGBA {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	return out
}

func writePicture(t *testing.T, file string, img image.Image) {
	t.Helper()
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&out, paletted(img)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// maxColors is how many colours a picture has: few make it small.
const maxColors = 64

// paletted gives a picture at most maxColors colours: those that are there most and not too much alike. Each other one
// becomes the one of them that is nearest.
func paletted(img image.Image) *image.Paletted {
	bounds := img.Bounds()
	pixels := make([]color.RGBA, 0, bounds.Dx()*bounds.Dy())
	counts := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			pixels = append(pixels, c)
			counts[c]++
		}
	}
	byCount := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], bytes.Compare([]byte{a.R, a.G, a.B}, []byte{b.R, b.G, b.B}))
	})
	var palette []color.RGBA
	for apart := 0; ; apart += 100 {
		palette = palette[:0]
		for _, c := range byCount {
			if _, far := nearest(palette, c); far > apart {
				palette = append(palette, c)
			}
			if len(palette) > maxColors {
				break
			}
		}
		if len(palette) <= maxColors {
			break
		}
	}
	out := image.NewPaletted(image.Rect(0, 0, bounds.Dx(), bounds.Dy()), nil)
	index := map[color.RGBA]uint8{}
	for _, c := range byCount {
		i, _ := nearest(palette, c)
		index[c] = uint8(i)
	}
	for _, c := range palette {
		out.Palette = append(out.Palette, c)
	}
	for i, c := range pixels {
		out.Pix[i] = index[c]
	}
	return out
}

// nearest finds the colour of a palette that is most like c, and how far away it is.
func nearest(palette []color.RGBA, c color.RGBA) (index, distance int) {
	distance = math.MaxInt
	for i, p := range palette {
		r, g, b := int(p.R)-int(c.R), int(p.G)-int(c.G), int(p.B)-int(c.B)
		if d := r*r + g*g + b*b; d < distance {
			index, distance = i, d
		}
	}
	return index, distance
}

// describe makes a text one that can stand in a cell of a Markdown table.
var describe = strings.NewReplacer("`", "", "|", "/", "[", "(", "]", ")", "*", "")

// TestEverySceneHasItsPictures holds that docs/messages has pictures of what there is, and of nothing else.
func TestEverySceneHasItsPictures(t *testing.T) {
	t.Parallel()
	want := []string{"README.md"}
	var readme strings.Builder
	readme.WriteString("# Every message on a phone\n\nHow the emulator's page draws each message that the golden files " +
		"hold, 360 pixels wide,\nin both themes. `make screenshots` takes the pictures.\n")
	for _, a := range albums(t) {
		fmt.Fprintf(&readme, "\n## %s\n", a.title)
		for _, name := range slices.Sorted(maps.Keys(a.scenes)) {
			fmt.Fprintf(&readme, "\n### %s\n\n| light | dark |\n|---|---|\n|", name)
			line, _, _ := strings.Cut(a.scenes[name].text, "\n")
			for _, theme := range []string{"light", "dark"} {
				file, alt := pictureName(name, theme), line
				if theme == "dark" {
					alt = "the same in dark colours"
				}
				want = append(want, file)
				fmt.Fprintf(&readme, ` <img src="%s" width="300" alt="%s"> |`, file, describe.Replace(html.EscapeString(alt)))
			}
			readme.WriteString("\n")
		}
	}
	path := filepath.Join(pictureFolder, "README.md")
	if *update {
		if err := os.MkdirAll(pictureFolder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(readme.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update to write it)", err)
	}
	if diff := gocmp.Diff(readme.String(), string(got)); diff != "" {
		t.Errorf("docs/messages/README.md (run go test -update to write it; -want +got):\n%s", diff)
	}
	files, err := os.ReadDir(pictureFolder)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range files {
		have = append(have, f.Name())
	}
	slices.Sort(want)
	if diff := gocmp.Diff(want, have); diff != "" {
		t.Errorf("docs/messages (make screenshots takes what is missing; the rest is to be deleted; -want +got):\n%s", diff)
	}
}
