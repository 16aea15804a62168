package intake_test
import ("testing";"github.com/soulcaster/soulcaster/engine/policy";"github.com/soulcaster/soulcaster/engine/project")
func TestLive(t *testing.T){
 w := world(t, true)
 w.GitHub.Add(1,"acme/web",false)
 one:=1; live:=policy.Live
 w.Settings = project.Settings{installation: {"acme/web": policy.File{Mode:&live, FileAfter: &policy.FileAfter{Posts: &one}}}}
 w.Restart()
 w.Take("reddit", post(w, `"title": "The zanzibar export crashes", "selftext": "Zanzibar zanzibar, and then it crashes"`)...)
 w.Settle()
 t.Log(grep(w,"zanzibar"), w.GitHub.Issues(1))
 w.Take("reddit", post(w, `"title": "The zanzibar export crashes", "selftext": "[deleted]", "author": "[deleted]"`)...)
 w.Settle()
 t.Log(grep(w,"zanzibar"), w.GitHub.Issues(1))
}
