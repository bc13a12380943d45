package digest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

func TestCSV(t *testing.T) {
	in := func(n fleet.Life, pool string) fleet.Life {
		n.Pool = pool
		return n
	}
	f := day(in(lived("a", od, -h, 0), "general"), in(lived("b", od, 2*h, 5*h), "general"),
		in(lived("c", spot, 22*h+30*time.Minute, 0), "=1+1,\"x\"\r\n"), in(lived("d", odd, -h, 4*h), "@SUM(A1)"))
	berlin := time.FixedZone("CET", 3600)
	f.From, f.Until, f.Cluster = f.From.In(berlin), f.Until.In(berlin), "-prod"
	got := string(CSV(summarize(t, f)))
	from, until := f.From.Format(time.RFC3339), f.Until.Format(time.RFC3339)
	if !strings.HasSuffix(from, "+01:00") {
		t.Fatalf("the period begins at %s", from)
	}
	want := strings.Join(columns, ",") + "\r\n" +
		"'-prod," + from + "," + until + ",general,m5.large,on-demand,us-east-1,1,1,1,1,27.000,0.000,81.0000,false,0,false,0\r\n" +
		"'-prod," + from + "," + until + `,"'=1+1,""x""  ",m5.large,spot,us-east-1,0,1,0,1,1.500,0.000,1.5000,true,0,false,0` + "\r\n" +
		"'-prod," + from + "," + until + ",'@SUM(A1),weird,,,1,0,1,0,4.000,0.000,,,1,,0\r\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Whatever the names are, a spreadsheet reads as many rows and cells as there are, and no formula; and the rows sum up
// to what the digest says.
func TestCSVSumsUp(t *testing.T) {
	var lives []fleet.Life
	for i, text := range []string{"=x", "+x", "-x", "@x", "\t=x", "\r@x", " =x", "\u00a0-x", "＝x", "a,b", "a\"b", "a\nb", "",
		"\xff=", "'=x", "\u2028+x"} {
		n := lived(fmt.Sprint(i), []fleet.Machine{od, spot, odd}[i%3], time.Duration(i-4)*h, time.Duration(i*2+1)*h)
		n.Pool = text
		lives = append(lives, n)
	}
	for i := range maxGroups {
		n := lived("x", od, h, 2*h)
		n.Pool = fmt.Sprint("pool-", i)
		lives = append(lives, n)
	}
	s := summarize(t, day(lives...))
	rows, err := csv.NewReader(bytes.NewReader(CSV(s))).ReadAll()
	if err != nil || len(rows) != len(s.Groups)+1 || len(s.Groups) != maxGroups+1 {
		t.Fatalf("%d rows of %d groups, %v", len(rows), len(s.Groups), err)
	}
	sums := map[string]float64{}
	for _, row := range rows[1:] {
		for i, text := range row {
			if n, err := strconv.ParseFloat(text, 64); err == nil && i > 6 {
				sums[columns[i]] += n
				continue
			}
			if strings.ContainsAny(strings.TrimSpace(text)[:min(1, len(strings.TrimSpace(text)))], "=+-@") ||
				strings.ContainsAny(text, "\r\n\t") {
				t.Errorf("the cell %q of %q", text, columns[i])
			}
		}
	}
	for column, want := range map[string]float64{"joined": float64(s.Joined), "left": float64(s.Left),
		"nodes_start": float64(s.Start), "nodes_end": float64(s.End), "node_hours": s.Hours.Sure.Hours(),
		"cost_usd": s.Cost.USD, "nodes_without_price": float64(s.Cost.Unpriced)} {
		if math.Abs(sums[column]-want) > 0.1 {
			t.Errorf("%s sums up to %v, want %v", column, sums[column], want)
		}
	}
}
