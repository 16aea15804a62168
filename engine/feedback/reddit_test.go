package feedback

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// summary is what a test compares of many readings.
func summary(readings []Reading) string {
	var out []string
	for _, g := range readings {
		switch {
		case g.Err != nil:
			out = append(out, "error "+g.Err.Field)
		case g.Removed:
			out = append(out, g.Feedback.External+" removed")
		default:
			out = append(out, g.Feedback.External)
		}
	}
	return strings.Join(out, ", ")
}

func TestRedditPayloads(t *testing.T) {
	for file, want := range map[string]string{
		"subreddit__posts":                    "t3_agi5zf, t3_hyhquk",
		"subreddit__random":                   "t3_href69, t3_href9f, t3_huv6o6",
		"listings__posts":                     "t3_i2gvg4, t3_i2gvs1",
		"listings__posts-comments-subreddits": "error kind, t3_i2gvg4, t1_g05v931",
		"live-thread__discussions":            "t3_test1, t3_test2",
		"post__duplicates":                    "t3_i2gvs1, t3_8kbs85, t3_le1tc",
		"post__post":                          "t3_testpost, t1_testc1, t1_testc2",
		"post__edit":                          "t3_hw6l6a",
		"post__more":                          "t1_def, t1_ghi, t1_jkl",
		"comment__more":                       "t1_def, t1_ghi",
		"comment__submit-or-edit":             "t1_test2",
		"user__overview":                      "t3_gczwql, t1_f0zsa37",
	} {
		readings, err := testReader().Reddit(payload(t, "reddit", "go-reddit", file+".json"))
		if got := summary(readings); err != nil || got != want && !strings.HasPrefix(got, want+", ") {
			t.Errorf("%s: got %q (%v), want %q", file, got, err, want)
		}
		sound(t, readings, err)
	}
	for _, file := range []string{"subreddit__list", "subreddit__rules", "post__submit"} {
		readings, err := testReader().Reddit(payload(t, "reddit", "go-reddit", file+".json"))
		if b := new(BodyError); !errors.As(err, &b) {
			t.Errorf("%s holds nothing to read, got %v, %v", file, summary(readings), err)
		}
	}
}

func TestRedditCommentPage(t *testing.T) {
	readings, err := testReader().Reddit(payload(t, "reddit", "go-reddit", "post__post.json"))
	if err != nil || len(readings) != 3 {
		t.Fatal(readings, err)
	}
	post, reply := readings[0].Feedback, readings[2].Feedback
	fields{
		"id":     {post.ID, ID("src", "t3_testpost")},
		"kind":   {post.Kind, Reddit},
		"title":  {post.Title, "Test"},
		"body":   {post.Body, "Hello"},
		"url":    {post.URL, "https://www.reddit.com/r/test/comments/testpost/test/"},
		"author": {post.Author, "<reddit:testuser>"},
		"labels": {post.Labels, "test"},
		"public": {post.Public, true},
		"count":  {post.Count, 1},
		"first":  {post.First, date("2020-07-18T10:26:07Z")},
		"reply":  {reply.Title, "Hello"},
		"link":   {reply.URL, "https://www.reddit.com/r/test/comments/testpost/test/testc2/"},
		"at":     {reply.Last, date("2020-07-18T10:32:28Z")},
		"index":  {readings[2].Index, 2},
	}.check(t)
}

func TestRedditBareAndEdited(t *testing.T) {
	got, err := testReader().Reddit(payload(t, "reddit", "go-reddit", "post__edit.json"))
	f := one(t, got, err).Feedback
	fields{
		"title": {f.Title, "Test Title"}, "body": {f.Body, "this is edited"},
		"edited": {f.Edited, date("2020-07-23T01:42:44Z")}, "first": {f.First, date("2020-07-23T01:24:55Z")},
	}.check(t)
	got, err = testReader().Reddit(payload(t, "reddit", "go-reddit", "comment__submit-or-edit.json"))
	f = one(t, got, err).Feedback
	fields{"title": {f.Title, "test comment"}, "author": {f.Author, "<reddit:reddit_username>"}, "edited": {f.Edited, time.Time{}}}.check(t)
}

func TestRedditMore(t *testing.T) {
	readings, err := testReader().Reddit(payload(t, "reddit", "go-reddit", "post__more.json"))
	if err != nil || readings[0].Note != `1 replies were not in the request (1 "more" stubs)` {
		t.Errorf("%v, %q", err, readings[0].Note)
	}
	readings, err = testReader().Reddit([]byte(`{"kind":"Listing","data":{"children":[
		{"kind":"t3","data":{"name":"t3_a","title":"T","replies":""}},
		{"kind":"t1","data":{"id":"B","body":"x","replies":{"kind":"Listing","data":{"children":[{"kind":"more","data":{"count":41,"children":["c","d"]}}]}}}}]}}`))
	if got := summary(readings); err != nil || got != "t3_a, t1_b" || !strings.HasPrefix(readings[0].Note, "41 replies") {
		t.Errorf("%q, %v, %+v", got, err, readings)
	}
	if readings, err = testReader().Reddit([]byte(`{"kind":"Listing","data":{"children":[]}}`)); err != nil || len(readings) != 0 {
		t.Errorf("an empty listing is in order: %v, %v", readings, err)
	}
}

func TestRedditText(t *testing.T) {
	for name, c := range map[string]struct{ data, title, body string }{
		"escaped":             {`"name":"t3_a","title":"a &lt;b&gt; &amp;amp; c","selftext":"x &gt; y","selftext_html":"&lt;p&gt;"`, "a <b> &amp; c", "x > y"},
		"raw":                 {`"name":"t3_a","title":"a &lt;b&gt;","selftext":"x &gt; y","selftext_html":"<p>"`, "a &lt;b&gt;", "x &gt; y"},
		"nothing that tells":  {`"name":"t3_a","title":"a &amp; b"`, "a & b", ""},
		"a comment's heading": {`"name":"t1_a","body":"\n\n> ## It breaks\nbadly","link_title":"Post"`, "It breaks", "> ## It breaks\nbadly"},
		"a comment of marks":  {`"name":"t1_a","body":"***","link_title":"Post"`, "Post", "***"},
		"personal data":       {`"name":"t3_a","title":"mail bob@example.com","selftext":"token=abc\u0000\u202e"`, "mail [email]", "token=[secret]"},
	} {
		got, err := testReader().Reddit([]byte(`{` + c.data + `}`))
		f := one(t, got, err).Feedback
		if f.Title != c.title || f.Body != c.body {
			t.Errorf("%s: got %q, %q, want %q, %q", name, f.Title, f.Body, c.title, c.body)
		}
	}
}

func TestRedditRemoved(t *testing.T) {
	for _, data := range []string{
		`"name":"t1_a","body":"[deleted]","author":"[deleted]"`,
		`"name":"t1_a","body":"[removed]","author":"bob"`,
		`"name":"t3_a","title":"still here","selftext":"[removed]"`,
		`"name":"t3_a","title":"[deleted by user]","selftext":""`,
		`"name":"t3_a","title":"x","selftext":"secret","removed_by_category":"moderator"`,
		`"name":"t3_a","title":"x","selftext":"[ Removed by Reddit ]"`,
	} {
		got, err := testReader().Reddit([]byte(`{` + data + `}`))
		g := one(t, got, err)
		if f := g.Feedback; !g.Removed || !f.Removed || f.Title+f.Body+f.Author+f.URL != "" {
			t.Errorf("%s: %+v", data, g)
		}
	}
	got, err := testReader().Reddit([]byte(`{"name":"t3_a","title":"How to undo [deleted]","selftext":"text","author":"[deleted]"}`))
	if g := one(t, got, err); g.Removed || g.Feedback.Author != "" || g.Feedback.Body != "text" || !g.AuthorGone {
		t.Errorf("only the author left: %+v", g)
	}
}

// Whoever sends the things, what a community keeps private stays so.
func TestRedditPublic(t *testing.T) {
	for _, c := range []struct {
		community    string
		source, want bool
	}{{`"public"`, false, true}, {`"restricted"`, false, true}, {`"private"`, true, false}, {`null`, false, false}, {`null`, true, true}} {
		r := testReader()
		r.Public = c.source
		got, err := r.Reddit([]byte(`{"name":"t3_a","title":"x","subreddit_type":` + c.community + `}`))
		if f := one(t, got, err).Feedback; f.Public != c.want {
			t.Errorf("%s from a source that is public=%v: public=%v", c.community, c.source, f.Public)
		}
	}
}

func TestRedditUnreadable(t *testing.T) {
	for body, want := range map[string]string{
		``:                                     "empty",
		`7`:                                    "a number",
		`{"kind":"t3"`:                         "not JSON",
		`{"kind":"t3"}`:                        "kind and data",
		`{"x":1}`:                              "kind and data",
		`{"kind":"t5","data":{"name":"t5_a"}}`: "kind",
		`{"kind":"t3","data":{"title":"x"}}`:   "name",
		`{"kind":"t3","data":{"name":"t3_a"}}`: "title",
		strings.Repeat(`{"kind":"t1","data":{"replies":`, 20_000): "not JSON",
		`[` + strings.Repeat(`{},`, maxObjects) + `{}]`:           "too much",
		`[` + strings.Repeat(`{"kind":"t3","data":{"name":"t3_a","title":"x"}},`, MaxElements) + `{"kind":"t3","data":{"name":"t3_b","title":"x"}}]`: "at most",
	} {
		_, err := testReader().Reddit([]byte(body))
		var b *BodyError
		if !errors.As(err, &b) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", body, err, want)
		}
	}
	readings, err := testReader().Reddit([]byte(`[null,{"kind":"t3","data":{"name":"t3_a","title":"x"}},{"kind":"t3","data":{}},{"kind":"t1","data":7},"x"]`))
	if got := summary(readings); err != nil || !strings.HasPrefix(got, "t3_a, error name") {
		t.Errorf("one readable thing is enough: %q, %v", got, err)
	}
}

func TestRedditDepth(t *testing.T) {
	body := `{"kind":"t1","data":{"name":"t1_z","body":"last"}}`
	for i := range 200 {
		body = fmt.Sprintf(`{"kind":"t1","data":{"name":"t1_%d","body":"x","replies":{"kind":"Listing","data":{"children":[%s]}}}}`, i, body)
	}
	readings, err := testReader().Reddit([]byte(body))
	if err != nil || len(readings) != maxDepth+1 || readings[0].Note == "" {
		t.Errorf("%d readings, %v", len(readings), err)
	}
}

func FuzzReddit(f *testing.F) {
	for _, s := range []string{
		`[{"kind":"Listing","data":{"children":[{"kind":"t3","data":{"name":"t3_a","title":"x","created_utc":1.5e9,"edited":false}}]}},{"kind":"Listing","data":{"children":[{"kind":"t1","data":{"id":"b","body":"y","replies":{"kind":"Listing","data":{"children":[{"kind":"more","data":{"count":3}}]}}}}]}}]`,
		`{"json":{"data":{"things":[{"kind":"t1","data":{"name":"t1_a","body":"[removed]"}}]}}}`, `{"name":"t3_a","title":"x","edited":1600000000}`,
		`{}`, `[]`, `[[]]`, `{"kind":"Listing"}`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		readings, err := testReader().Reddit(body)
		sound(t, readings, err)
	})
}
