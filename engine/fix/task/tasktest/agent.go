package tasktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/soulcaster/soulcaster/engine/fix/task"
)

// What a process is is said by its first argument: its environment is the
// launcher's to make.
const (
	agentArg = "tasktest-agent"
	childArg = "tasktest-child"
)

// hello is what a process tells of itself.
type hello struct {
	Run  string   `json:"run"`
	PID  int      `json:"pid"`
	Env  []string `json:"env"`
	Args []string `json:"args"`
}

// manners is how a process is to behave.
type manners struct {
	Visit    int  `json:"visit"`    // which process it is, from 0
	Stubborn bool `json:"stubborn"` // it does not mind SIGTERM
	Child    bool `json:"child"`    // it starts a process in a group of its own
}

// Main is to be called first in TestMain. In a process that is a task's it does
// not return.
func Main() {
	if len(os.Args) < 2 {
		return
	}
	base := os.Getenv(task.EnvURL)
	switch os.Args[1] {
	case agentArg:
		end(agent(base))
	case childArg:
		_, _ = ask(base+"/child", nil)
		end(0)
	}
}

// end ends the process at once: os.Exit waits a second for the race detector.
func end(code int) { syscall.Exit(code) }

// agent does what the hub says, and ends when the hub is gone.
func agent(base string) int {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)

	me, err := json.Marshal(hello{Run: os.Getenv(task.EnvRun), PID: os.Getpid(), Env: os.Environ(), Args: os.Args})
	if err != nil {
		return gone(err)
	}
	answer, err := ask(base+"/hello", me)
	if err != nil {
		return gone(err)
	}
	var m manners
	if err := json.Unmarshal(answer, &m); err != nil {
		return gone(err)
	}
	visit := "?visit=" + url.QueryEscape(strconv.Itoa(m.Visit))
	if m.Child {
		child := exec.Command(os.Args[0], childArg)
		child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := child.Start(); err != nil {
			return gone(err)
		}
	}
	code := make(chan int, 1)
	go func() {
		answer, err := ask(base+"/wait"+visit, nil)
		n, _ := strconv.Atoi(string(answer))
		if err != nil {
			n = gone(err)
		}
		code <- n
	}()
	for {
		select {
		case n := <-code:
			return n
		case <-terminate:
			if _, err := ask(base+"/terminated"+visit, nil); err != nil || !m.Stubborn {
				return 128 + int(syscall.SIGTERM)
			}
		}
	}
}

func gone(err error) int {
	fmt.Fprintln(os.Stderr, "the hub is gone:", err)
	return 99
}

// ask posts to the hub and returns its answer.
func ask(to string, body []byte) ([]byte, error) {
	resp, err := http.Post(to, "application/json", bytes.NewReader(body)) // as long as the hub likes
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
