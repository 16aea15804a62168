package feedback

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Secrets are put together here so that no scanner takes this file for a leak.
func rep(s string, n int) string { return strings.Repeat(s, n) }

const jwtHead = "eyJ" + "hbGciOiJIUzI1NiJ9"

type redaction struct{ in, want string }

func redactions() []redaction {
	ghs := "gh" + "s_" + rep("aB3.dE-6_", 60) // the long form, with dots
	pem := "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\nabc+/=\n-----END RSA " + "PRIVATE KEY-----"
	aws := "AK" + "IAIOSFODNN7EXAMPLE"
	awsSecret := "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
	return []redaction{
		// E-mail addresses.
		{"write to bob@example.com", "write to [email]"},
		{"Bob.Smith+spam@mail.example.co.uk, thanks", "[email], thanks"},
		{"<bob@example.com>", "<[email]>"},
		{"mailto:bob@example.com?subject=x", "mailto:[email]?subject=x"},
		{"from=bob%40example.com&x=1", "from=[email]&x=1"},
		{"jürgen@müller.de schrieb", "[email] schrieb"},
		{"o'brien@example.ie.", "[email]."},
		{"a@b.io;c@d.io", "[email];[email]"},
		{"user_id=bob@example.com", "user_id=[email]"},
		{"bob@xn--bcher-kva.example", "[email]"},
		{"x@163.com", "[email]"},

		// Phone numbers.
		{"call +1 415 555 2671 now", "call [phone] now"},
		{"+14155552671", "[phone]"},
		{"+44 (0)20 7946 0958", "[phone]"},
		{"+49 30 1234567", "[phone]"},
		{"+49-171-1234567.", "[phone]."},
		{"+33 6 12 34 56 78", "[phone]"},
		{"+91 98765 43210", "[phone]"},
		{"+55 (11) 91234-5678", "[phone]"},
		{"(415) 555-2671", "[phone]"},
		{"415-555-2671", "[phone]"},
		{"415.555.2671", "[phone]"},
		{"1-800-555-0199", "[phone]"},
		{"my cell is 4155552671", "my cell is [phone]"},
		{"call me at 415 555 2671", "call me at [phone]"},
		{"Tel: 030 1234567", "Tel: [phone]"},
		{"020 7946 0958", "[phone]"},
		{"07911 123456", "[phone]"},
		{"0171/1234567", "[phone]"},
		{"06 12 34 56 78", "[phone]"},
		{"01.23.45.67.89", "[phone]"},
		{"03-1234-5678", "[phone]"},
		{"(02) 9876 5432", "[phone]"},
		{"138-1234-5678", "[phone]"},
		{"电话13812345678", "电话13812345678"}, // no separator and no word that we know: stays
		{"0049 30 1234567", "[phone]"},

		// Cards and bank accounts.
		{"card 4111111111111111 declined", "card [card] declined"},
		{"4111 1111 1111 1111", "[card]"},
		{"4111-1111-1111-1111 12/27", "[card] 12/27"},
		{"5555555555554444", "[card]"},
		{"3782 822463 10005", "[card]"},
		{"378282246310005", "[card]"},
		{"6011111111111117", "[card]"},
		{"30569309025904", "[card]"},
		{"card=3530111333300000;", "card=[card];"},
		{"2223003122003222", "[card]"},
		{"IBAN DE89 3704 0044 0532 0130 00", "IBAN [iban]"},
		{"GB82WEST12345698765432", "[iban]"},
		{"FR14 2004 1010 0505 0001 3M02 606,", "[iban],"},
		{"nl91abna0417164300", "[iban]"},

		// Addresses of machines.
		{"from 203.0.113.7", "from [ip]"},
		{"10.0.0.5:8080 refused", "[ip]:8080 refused"},
		{"http://192.168.1.20/admin", "http://[ip]/admin"},
		{"host/93.184.216.34:443", "host/[ip]:443"},
		{"ip=8.8.8.8,", "ip=[ip],"},
		{"10.0.0.1-10.0.0.9", "[ip]-[ip]"},
		{"connected from 8.8.4.4", "connected from [ip]"},
		{"db 5.6.7.8:5432", "db [ip]:5432"},
		{`"client_ip": "5.6.7.8"`, `"client_ip": "[ip]"`},
		{"5.6.7.8 timed out", "[ip] timed out"},
		{"172.16.0.0/12", "[ip]/12"},
		{"2001:db8::8a2e:370:7334", "[ip]"},
		{"[2001:db8::1]:443", "[[ip]]:443"},
		{"fe80::1%eth0 up", "[ip] up"},
		{"addr:fe80::1.", "addr:[ip]."},
		{"::ffff:10.1.2.3", "[ip]"},
		{"2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[ip]"},

		// Tokens.
		{jwtHead + "." + rep("aB", 12) + "." + rep("cD", 12), "[jwt]"},
		{"x " + jwtHead + "." + rep("aB", 12) + ". y", "x [jwt] y"},
		{"Authorization: Bearer " + rep("a1", 12), "Authorization: [secret]"},
		{"sent bearer " + rep("a1", 12) + " and", "sent bearer [token] and"},
		{"Basic " + "dXNlcjpwYXNz", "Basic [credentials]"},
		{"authorization: Digest username=\"bob\", realm=x", "authorization: [secret]\"bob\", realm=x"},
		{`{"Authorization": "Basic ` + `dXNlcjpwYXNz"}`, `{"Authorization": "[secret]"}`},
		{`["Authorization", "token abc1234567"]`, `["Authorization", "[secret]"]`},
		{"gh" + "p_" + rep("a", 36), "[token]"},
		{"remote: " + ghs + " expired", "remote: [token] expired"},
		{"github" + "_pat_" + rep("A1_", 20), "[token]"},
		{"gl" + "pat-" + rep("x", 20), "[token]"},
		{aws, "[token]"},
		{"key " + aws + " secret " + awsSecret, "key [token] secret [token]"},
		{"aws_secret_access_key = " + awsSecret, "aws_secret_access_key = [secret]"},
		{"AI" + "za" + rep("Sy", 18), "[token]"},
		{"xo" + "xb-" + rep("1234567890-", 2) + "abc", "[token]"},
		{"https://hooks.slack.com/services/T00/B00/XXXX", "https://hooks.slack.com/services/[token]"},
		{"sk" + "_live_" + rep("a1", 12), "[token]"},
		{"rk" + "_test_" + rep("a1", 12), "[token]"},
		{"sk" + "-" + rep("a1", 24), "[token]"},
		{"sk" + "-ant-api03-" + rep("aB1_", 20), "[token]"},
		{"sk" + "-proj-" + rep("aB1_", 20), "[token]"},
		{"sntry" + "s_" + rep("eyJpYXQi", 8) + "_abc", "[token]"},
		{"sntry" + "u_" + rep("0a", 32), "[token]"},
		{"npm" + "_" + rep("a1", 18), "[token]"},
		{"pypi" + "-" + rep("AgEI", 16), "[token]"},
		{"hf" + "_" + rep("aB", 17), "[token]"},
		{"SG" + "." + rep("a", 22) + "." + rep("b", 43), "[token]"},
		{"123456789" + ":AA" + rep("b", 33), "[token]"},
		{pem, "[private-key]"},
		{"key:\n" + pem + "\nend", "key:\n[private-key]\nend"},
		{"-----BEGIN " + "PRIVATE KEY-----\nMIIE cut off", "[private-key]"},

		// Pairs.
		{"password=hunter2", "password=[secret]"},
		{"password: hunter2", "password: [secret]"},
		{"password: swordfish", "password: [secret]"},
		{`{"password":"correct horse"}`, `{"password":"[secret]"}`},
		{`{\"password\":\"correct horse\"}`, `{\"password\":\"[secret]\"}`},
		{`'passwd' => 'x y z'`, `'passwd' => '[secret]'`},
		{"DB_PASSWORD=s3cr3t!", "DB_PASSWORD=[secret]"},
		{"dbPassword=abc", "dbPassword=[secret]"},
		{"/login?user=a&token=abc&x=1", "/login?user=a&token=[secret]&x=1"},
		{"?api_key=abc#f", "?api_key=[secret]"},
		{"next=%2F%3Ftoken%3Dabc123%26x", "next=%2F%3Ftoken%3D[secret]%26x"},
		{"X-Api-Key: abc123", "X-Api-Key: [secret]"},
		{"client_secret = \"abc\"", "client_secret = \"[secret]\""},
		{"mysql --password hunter2 -u root", "mysql --password [secret] -u root"},
		{"--token=abc", "--token=[secret]"},
		{"SECRET_KEY_BASE=0123abcd", "SECRET_KEY_BASE=[secret]"},
		{"JSESSIONID=ABC123; path", "JSESSIONID=[secret]; path"},
		{"AccountKey=abc+/==;Endpoint=x", "AccountKey=[secret];Endpoint=x"},
		{"X-Amz-Signature=abcdef0123", "X-Amz-Signature=[secret]"},
		{"Cookie: sid=abc; theme=dark", "Cookie: [cookie]"},
		{"Set-Cookie: sid=abc; HttpOnly\nHost: x", "Set-Cookie: [cookie]\nHost: x"},
		{`["Cookie", "sid=abc"]`, `["Cookie", "[cookie]"]`},
		{"curl -H 'Cookie: sid=abc' host", "curl -H 'Cookie: [cookie]' host"},
		{"postgres://app:s3cr3t@db:5432/x", "postgres://[credentials]@db:5432/x"},
		{"redis://:p@ss@cache/0", "redis://[credentials]@cache/0"},
		{"https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/2", "https://[credentials]@o1.ingest.sentry.io/2"},

		// Home folders.
		{"/home/alice/app/main.py", "/home/[user]/app/main.py"},
		{"File \"/Users/alice/x.rb\", line 3", "File \"/Users/[user]/x.rb\", line 3"},
		{`C:\Users\John Smith\AppData`, `C:\Users\[user]\AppData`},
		{`C:\\Users\\john\\x`, `C:\\Users\\[user]\\x`},
		{"file:///home/alice/x", "file:///home/[user]/x"},
		{"cd /home/alice", "cd /home/[user]"},

		// What has no place in text.
		{"a\x00b\x1b[31mred\x1b[0m", "abred"},
		{"a\u202egnp.exe\u2066", "agnp.exe"},
		{"pass\u200bword=abc", "password=[secret]"},
		{"bad\xff", "bad\uFFFD"},
		{"one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"},
	}
}

func TestRedactTakesOut(t *testing.T) {
	for _, c := range redactions() {
		if got := Redact(c.in); got != c.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
	}
}

func TestRedactLeaves(t *testing.T) {
	for _, s := range []string{
		// Versions.
		"version 1.2.3.4", "v1.2.3.4", "Version=4.0.0.0, Culture=neutral", "foo-1.2.3.4.jar", "pip install x==1.2.3.4",
		"1.2.3.4-beta", "Chrome/75.0.3770.100", "SeaMonkey 2.53.18.2 fails", "Firefox/91.0 SeaMonkey/2.53.8.1", "jackson-databind (2.9.10.1)", "1.25.8", "react-dom@18.2.0", "mod@v1.2.3-beta.rc", "1.3.6.1.4.1.311",
		// Identifiers.
		"550e8400-e29b-41d4-a716-446655440000", "12345678-1234-1234-1234-123456789012",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709", "bb78c1407cea4519aa397afc059c793d", "project=4509877862268928",
		"issue 1170820242", "order 112-1234567-1234567", "order 415-555-2671", "ISBN 978-0-13-468599-1", "0-306-40615-2",
		"ID 1234567890123", "4111111111111112", "snowflake 1157019838401048586", "order no. 0123-456789", "AB12CD34EF56",
		"DE89 3704 0044 0532 0130 01", "#0171-1234567",
		// Times and dates.
		"2020-04-28T13:56:05.903736Z", "2020-04-28 13:56:05", "1603322711.147672", "1603322711", "12:34:56", "12:34:56:789",
		"2024-01-31T09:30:00+00:00", "05/06/2023 08:30", "05.06.2023 0830", "Mon, 02 Jan 2006 15:04:05 -0700",
		// Places in code.
		"main.go:120:15", "at foo (app.js:10:5)", "0x7fff5fbff8c0", "std::vector<int>", "a::b::c", "Foo::Bar", "abc::def",
		"core::ops::function::FnOnce::call_once::h1a2b3c4d5e6f7890", "foo@app.js:10:5", "icon@2x.png", "com.foo.Bar@1a2b3c",
		"node_modules/@sentry/browser/index.js", "/js/prod/runner-4.1.7.min.js", "<anonymous>", "@types/node",
		"git@github.com:acme/web.git", "ssh://git@github.com/acme/web", "getty@tty1.service", "array[0][1]",
		"0000 0001 0002 0003", "+3.14159265", "0.123456789", "3.14159 2.71828", "shape (512, 512, 1024)", "@@ -1,7 +1,9 @@",
		// Machines that are nobody's.
		"127.0.0.1:8080", "::1", "0.0.0.0", "255.255.255.0", "localhost:5432", "aa:bb:cc:dd:ee:ff", "127.0.0.53",
		// Words about secrets.
		"Forgot password: the link does not work", "Unexpected token: }", "Unexpected token < in JSON", "password=${DB_PASSWORD}",
		"token: null", `"token": null`, "password: ********", "password=[Filtered]", "max_tokens: 4096", "tokens=5",
		"InvalidToken: the provided token has expired", "Error: invalid token", "password is too short", "token = next()",
		"PWD=/app/src", "Bearer authentication", "basic understanding", "the secret of success", "tests pass: 3",
		"risk-management-of-very-long-projects-2024", "sk-learn", "secretary=Ann", "keyboard: qwerty",
		"testDelete[auth=true](org.apache.Test)", "session credentials: software.amazon.awssdk.SdkClientException: x", "TOKEN='<redacted>'",
		// Paths that are no home.
		"GET /home/feed 500", "https://example.com/home/feed", "/homepage", "/users/123", "/var/www/app",
		// Text of every sort.
		"日本語のテキスト", "emoji 👩‍💻 stays", "tab\tand\nnewline", "100% of 1,234,567.89 EUR", "",
	} {
		if got := Redact(s); got != s {
			t.Errorf("Redact(%q) = %q, want it to stay", s, got)
		}
	}
}

// What one replacement uncovers, another pass must not: rows of the same thing
// settle at once, however they are joined.
func TestRedactSettles(t *testing.T) {
	for _, c := range redactions() {
		for _, joint := range []string{"", " ", "-", ".", ",", "/", ":", "=", "@", "\n", "_", "[", "]", "://", "%3D", `"`, "+", "1"} {
			in := strings.Repeat(c.in+joint, 20)
			once := Redact(in)
			if twice := Redact(once); twice != once {
				t.Errorf("%q joined by %q is not settled:\nonce  %q\ntwice %q", c.in, joint, once, twice)
			}
		}
	}
}

// The cost of a text must grow with its length and not with its square: what
// is repeated here is what sends rules looking ahead or back.
func TestRedactIsBounded(t *testing.T) {
	for _, unit := range []string{
		"a@", "password", "password=", "::", "1", "1 ", "(1", "+1", "1.1.", "eyJ", "sk-1-", "-----BEGIN " + "PRIVATE KEY-----", "://", "%3D", `"`, `\`, "DE89", "/home/", "=:", "--token ",
		"Cookie:", "token:({", "token: aaa ", "Authorization: Digest ", "token:'", "AK" + "IA", "0171 ", "://a@", "::1:",
	} {
		in := strings.Repeat(unit, 200_000/len(unit))
		out := Redact(in)
		if len(out) > 8*len(in)+100 {
			t.Errorf("%q repeated grew from %d to %d bytes", unit, len(in), len(out))
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{
		"", "bob@example.com password=hunter2", "10.0.0.1-10.0.0.9", "[email]@x.de", "password=[secret]x", "a\xffb\x00",
		"https://u:p@h.example/?token=a&b=c", "+49 30 1234567 4111 1111 1111 1111", "Cookie: a=b\nAuthorization: Basic a",
		"Authorization: Bearer Bearer x", "DE89 3704 0044 0532 0130 00", "fe80::1%eth0:::1", `{\"token\":\"a\\\"b\"}`,
		"-----BEGIN " + "PRIVATE KEY-----", "/home/a/home/b", `C:\Users\a b\c`, "GET /home/x /home/y", "token%3Da%26b",
		"AK" + "IAIOSFODNN7EXAMPLE " + rep("aB1/", 10), jwtHead + ".aaaaaaaa.b", "--password  --token x", "gh" + "p_" + rep("a", 30),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 1<<16 {
			return
		}
		once := Redact(in)
		if !utf8.ValidString(once) {
			t.Fatalf("not UTF-8: %q", once)
		}
		if twice := Redact(once); twice != once {
			t.Fatalf("not settled:\nin    %q\nonce  %q\ntwice %q", in, once, twice)
		}
		if len(once) > 8*len(in)+100 {
			t.Fatalf("grew from %d to %d bytes", len(in), len(once))
		}
		if i := strings.IndexFunc(once, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || invisible(r) }); i >= 0 {
			t.Fatalf("control character at %d of %q", i, once)
		}
	})
}
