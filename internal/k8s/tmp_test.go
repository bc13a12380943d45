package k8s
import ("testing";"time";"rollcall/test/cluster";"log/slog";"os")
func TestTmpStop(t *testing.T){
 c := cluster.Start(t, cluster.Options{})
 s:=time.Now(); c.StopAPIServer(); t.Log("without watcher", time.Since(s))
 ok(t, c.StartAPIServer(t.Context()))
 w := start(t, c.Config(cluster.UserAdmin), newMemory(), func(w *Watcher){ l:=slog.New(slog.NewTextHandler(os.Stderr,&slog.HandlerOptions{Level:slog.LevelDebug})); w.logger=l; w.nodes.logger=l.With("w","nodes"); w.events.logger=l.With("w","events")})
 w.waitSynced(t)
 s=time.Now(); c.StopAPIServer(); t.Log("with watcher", time.Since(s))
}
