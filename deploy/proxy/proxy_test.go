// Package proxy_test runs the egress proxy, with the very configuration that is
// deployed, in a network of its own that has no way out.
package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	address = "203.0.113.7" // of the servers and the proxy, inside
	other   = "203.0.113.8" // of a client that is none
	inside  = "PROXY_TEST_INSIDE"
	timeout = 20 * time.Second
)

// hosts is what the names lead to. The server's certificate is for these names.
const hosts = `127.0.0.1 localhost loopback.example.com
203.0.113.7 good.example.com second.example.com plain.example.com unlisted.example.com sub.good.example.com
10.1.2.3 private.example.com
169.254.170.2 metadata.example.com
fd00::5 private6.example.com
::ffff:10.1.2.3 mapped.example.com
`

const names = "good.example.com,second.example.com,plain.example.com,loopback.example.com," +
	"private.example.com,metadata.example.com,private6.example.com,mapped.example.com"

// enter makes the network and the files of the test, and becomes the test.
const enter = `set -e
ip link set lo up
ip address add 203.0.113.7/32 dev lo
ip address add 203.0.113.8/32 dev lo
mount -t tmpfs tmpfs /run
mkdir /run/soulcaster-proxy
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/resolv.conf" "$(readlink -f /etc/resolv.conf)"
mount -o remount,bind,ro / # as in the task
shift
exec "$@"`

// TestProxy runs itself again inside of the network.
func TestProxy(t *testing.T) {
	if os.Getenv(inside) != "" {
		testInside(t)
		return
	}
	for _, tool := range []string{"squid", "openssl", "unshare", "ip", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the egress proxy is not tested: there is no %s here; deploy/test/install e2e installs it", tool)
		}
	}
	if version, _ := exec.Command("squid", "-v").Output(); !bytes.Contains(version, []byte("--with-openssl")) {
		t.Skip("the egress proxy is not tested: this Squid has no OpenSSL; install squid-openssl")
	}
	unshare := []string{"unshare", "--mount", "--net"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("the egress proxy is not tested: no network of its own for it: %v: %s", err, out)
	}
	files := t.TempDir()
	for name, text := range map[string]string{"hosts": hosts, "resolv.conf": "nameserver " + address + "\n"} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := append(unshare, "bash", "-c", enter, "enter", files, os.Args[0], "-test.run=^TestProxy$", "-test.v=true")
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), inside+"=yes")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestProxy")) {
		t.Errorf("inside of the network: %v\n%s", err, out)
	}
}

func testInside(t *testing.T) {
	asked := nameServer(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s%s", r.Method, r.Host, r.URL.Path)
	}))
	server.Listener.Close()
	server.Listener = listen(t, "443")
	server.StartTLS()
	defer server.Close()
	for _, port := range []string{"80", "8080"} {
		plain := &http.Server{Handler: server.Config.Handler}
		go plain.Serve(listen(t, port))
		defer plain.Close()
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	lines := start(t)

	const passed, ended = "GET good.example.com/x", "ended"
	const refused = "407 Proxy Authentication Required"
	for _, tt := range []struct {
		name, target, sni string
		want              string
	}{
		{"listed", "good.example.com:443", "good.example.com", passed},
		{"listed, in capitals", "GOOD.example.com:443", "good.example.com", passed},
		{"not listed", "unlisted.example.com:443", "unlisted.example.com", refused},
		{"below a listed name", "sub.good.example.com:443", "sub.good.example.com", refused},
		{"ends like a listed name", "bad-good.example.com:443", "bad-good.example.com", refused},
		{"not listed, and carries something out by its name", "c2VjcmV0.leak.example:443", "", refused},
		{"SSH's port", "good.example.com:22", "good.example.com", refused},
		{"another port", "good.example.com:8443", "good.example.com", refused},
		{"the port of plain HTTP", "plain.example.com:80", "plain.example.com", refused},
		{"address", address + ":443", "good.example.com", refused},
		{"address as one number", "3405803783:443", "good.example.com", refused},
		{"address of IPv6", "[::ffff:" + address + "]:443", "good.example.com", refused},
		{"listed, but leads to this machine", "loopback.example.com:443", "loopback.example.com", refused},
		{"listed, but leads to a private network", "private.example.com:443", "private.example.com", refused},
		{"listed, but leads to the task's metadata", "metadata.example.com:443", "metadata.example.com", refused},
		{"listed, but leads to a private network of IPv6", "private6.example.com:443", "private6.example.com", refused},
		{"listed, but leads to a mapped private address", "mapped.example.com:443", "mapped.example.com", refused},
		{"TLS asks for a name that is not listed", "good.example.com:443", "unlisted.example.com", ended},
		{"TLS asks for another listed name", "good.example.com:443", "second.example.com", ended},
		{"TLS asks for no name", "good.example.com:443", "", ended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := connect(t, tt.target, &tls.Config{RootCAs: roots, ServerName: tt.sni}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	t.Run("no TLS inside", func(t *testing.T) {
		conn := dial(t, "")
		fmt.Fprint(conn, "CONNECT good.example.com:443 HTTP/1.1\r\nHost: good.example.com\r\n\r\n")
		from := bufio.NewReader(conn)
		if _, err := http.ReadResponse(from, &http.Request{Method: http.MethodConnect}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "SSH-2.0-probe\r\n\r\n")
		if said, err := io.ReadAll(from); len(said) > 0 || err != nil && !isReset(err) {
			t.Errorf("the server was reached, or the connection stays: %q (%v)", said, err)
		}
	})

	for _, tt := range []struct {
		name, request string
		from          string
		want          string // status
	}{
		{"plain HTTP, listed for it", "GET http://plain.example.com/x", "", "200"},
		{"a question to it", "HEAD http://plain.example.com/x", "", "200"},
		{"something sent to it", "POST http://plain.example.com/x", "", "407"},
		{"its other port", "GET http://plain.example.com:8080/x", "", "407"},
		{"listed for TLS alone", "GET http://good.example.com/x", "", "407"},
		{"listed as plain alone", "GET http://unlisted.example.com/x", "", "407"},
		{"another protocol", "GET ftp://plain.example.com:80/x", "", "407"},
		{"an address", "GET http://" + address + "/x", "", "407"},
		{"what the proxy says of itself", "GET http://" + address + ":3128/squid-internal-mgr/info", "", "407"},
		{"a client of another network", "GET http://plain.example.com/x", other, "407"},
		{"quotes", `GET http://plain.example.com/"x"`, "", "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, tt.from)
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", tt.request)
			status, _ := bufio.NewReader(conn).ReadString('\n')
			if _, status, _ = strings.Cut(status, " "); !strings.HasPrefix(status, tt.want) {
				t.Errorf("got %q, want %s", status, tt.want)
			}
		})
	}

	t.Run("the health check", func(t *testing.T) {
		if out, err := exec.CommandContext(t.Context(), "./healthy").CombinedOutput(); err != nil {
			t.Errorf("says %v: %s", err, out)
		}
	})
	t.Run("asks for no name that is not listed", func(t *testing.T) {
		for _, packet := range asked() {
			if bytes.Contains(packet, []byte("leak")) || bytes.Contains(packet, []byte("unlisted")) {
				t.Errorf("asked the name server %q", packet)
			}
		}
	})
	t.Run("log", func(t *testing.T) {
		var outcomes []string
		for _, line := range lines() {
			var entry struct {
				Client, To, TLS, Bump string
				Status                int
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Client == "" {
				t.Errorf("line %q: %v", line, err)
			}
			if entry.Client == "127.0.0.1" {
				t.Errorf("the proxy's own question is in the log: %s", line)
			}
			outcomes = append(outcomes, fmt.Sprintf("%s asks %s, %d %s", entry.To, entry.TLS, entry.Status, entry.Bump))
		}
		for _, want := range []string{
			"good.example.com:443 asks good.example.com, 200 splice",
			"unlisted.example.com:443 asks -, 407 -",
			"good.example.com:443 asks unlisted.example.com, 200 terminate",
		} {
			if !slices.Contains(outcomes, want) {
				t.Errorf("no line says %q:\n%s", want, strings.Join(outcomes, "\n"))
			}
		}
	})
}

// TestStart refuses lists that would let through more, or less, than was meant.
func TestStart(t *testing.T) {
	for _, tt := range []struct{ names, plain, clients, says string }{
		{"*.example.com", "", "10.0.0.0/8", "NAMES: "},
		{".example.com", "", "10.0.0.0/8", "NAMES: "},
		{"example.com,https://example.org", "", "10.0.0.0/8", "NAMES: "},
		{"example.com:22", "", "10.0.0.0/8", "NAMES: "},
		{"Example.com", "", "10.0.0.0/8", "NAMES: "},
		{"example.com, example.org", "", "10.0.0.0/8", "NAMES: "},
		{"10.0.0.1", "", "10.0.0.0/8", "NAMES: "},
		{"localhost", "", "10.0.0.0/8", "NAMES: "},
		{"example.com\nexample.org", "", "10.0.0.0/8", "NAMES: "},
		{"", "", "10.0.0.0/8", "NAMES: "},
		{"example.com", "http://example.com", "10.0.0.0/8", "PLAIN: "},
		{"example.com", "", "all", "CLIENTS: "},
		{"example.com", "", "", "CLIENTS: "},
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "./start")
		cmd.Env = append(os.Environ(), "NAMES="+tt.names, "PLAIN="+tt.plain, "CLIENTS="+tt.clients)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), tt.says) {
			t.Errorf("%q: got %v and %q, want status 2 and %q", tt, err, out, tt.says)
		}
	}
}

// start starts the proxy as the user that it runs as in its image, and returns
// what gives the lines of its log, after it has ended.
func start(t *testing.T) (lines func() []string) {
	cmd := exec.CommandContext(t.Context(), "unshare", "--user", "--map-user=13", "--map-group=13", "./start")
	cmd.Env = append(os.Environ(), "NAMES="+names, "PLAIN=plain.example.com,unlisted.example.com", "CLIENTS="+address+"/32")
	var log bytes.Buffer
	cmd.Stdout = &log
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(stderr)
		said <- string(all)
	}()
	end := sync.OnceValue(func() string {
		cmd.Process.Signal(os.Interrupt)
		all := <-said
		cmd.Wait()
		return all
	})
	t.Cleanup(func() { end() })
	for give := time.Now().Add(timeout); ; {
		conn, err := net.Dial("tcp", address+":3128")
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(give) {
			t.Fatalf("the proxy did not start:\n%s", end())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return func() []string {
		all := end()
		if t.Failed() {
			t.Logf("the proxy said:\n%s", all)
		}
		return strings.Split(strings.TrimSpace(log.String()), "\n")
	}
}

// connect asks the proxy for a tunnel and the server behind it for a page. It
// returns the proxy's answer if that is not 200, "ended" if there was no TLS, and
// else the page.
func connect(t *testing.T, target string, config *tls.Config) string {
	conn := dial(t, "")
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target)
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		return res.Status
	}
	if config.ServerName == "" {
		config.InsecureSkipVerify = true // else the client asks for no connection at all
	}
	client := tls.Client(conn, config)
	if err := client.HandshakeContext(t.Context()); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err) {
		return "ended"
	} else if err != nil {
		return err.Error()
	}
	fmt.Fprint(client, "GET /x HTTP/1.1\r\nHost: good.example.com\r\nConnection: close\r\n\r\n")
	res, err = http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		return err.Error()
	}
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(page)
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "connection reset") }

// dial connects to the proxy, from an address if one is given.
func dial(t *testing.T, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{Timeout: timeout}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := dialer.DialContext(t.Context(), "tcp", address+":3128")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func listen(t *testing.T, port string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// nameServer answers no question and remembers all of them.
func nameServer(t *testing.T) (asked func() [][]byte) {
	conn, err := net.ListenPacket("udp", address+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var mu sync.Mutex
	var packets [][]byte
	go func() {
		for {
			packet := make([]byte, 1500)
			n, _, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			mu.Lock()
			packets = append(packets, packet[:n])
			mu.Unlock()
		}
	}()
	return func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(packets)
	}
}
