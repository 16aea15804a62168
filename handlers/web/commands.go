package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/soulcaster/soulcaster/engine/command"
	"github.com/soulcaster/soulcaster/engine/fix/run"
	"github.com/soulcaster/soulcaster/engine/github"
	"github.com/soulcaster/soulcaster/engine/issue"
	"github.com/soulcaster/soulcaster/engine/project"
	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/handlers"
)

// Commands takes commands about problems, and says which there are.
type Commands interface {
	Give(ctx context.Context, space storage.Space, cluster string, g command.Given) (command.Order, error)
	Orders(ctx context.Context, space storage.Space, cluster string) ([]command.Order, error)
	Offers(ctx context.Context, space storage.Space, cluster string, may github.Permission) ([]command.Offer, error)
}

// commandsView is what a page shows of the commands about a problem: those that would do
// something now, and what was ordered lately.
type commandsView struct {
	Action      string          // where the forms send to
	Run         string          // the run whose page this is, "" on the problem's
	Long, Short []command.Offer // those that take words, and those that do not
	Orders      []orderView
	MaxWords    int
}

type orderView struct {
	command.Order
	Answer template.HTML
}

// perOrders is how many orders a page shows.
const perOrders = 5

func commandsPath(at *place, cluster string) string {
	return clusterPath(at.project, cluster) + "/commands"
}

// commands gathers what a page shows of them; nil if that is nothing. runID is set on the
// page of a run.
func (p *Pages) commands(ctx context.Context, at *place, cluster, runID string) (*commandsView, error) {
	v := &commandsView{Action: commandsPath(at, cluster), Run: runID, MaxWords: command.MaxWords}
	offers, orders, err := p.commandsOf(ctx, at, cluster)
	if err != nil || len(offers) == 0 && len(orders) == 0 {
		return nil, err
	}
	for _, o := range offers {
		if o.Words() {
			v.Long = append(v.Long, o)
		} else {
			v.Short = append(v.Short, o)
		}
	}
	for _, o := range orders[:min(len(orders), perOrders)] {
		v.Orders = append(v.Orders, orderView{o, p.markdown.html(o.Answer)})
	}
	return v, nil
}

// commandsOf returns what whoever looks may order about a problem, and what was ordered.
func (p *Pages) commandsOf(ctx context.Context, at *place, cluster string) (offers []command.Offer, orders []command.Order, err error) {
	if p.cfg.Commands == nil {
		return nil, nil, nil
	}
	if _, may := p.giver(at); may {
		if offers, err = p.cfg.Commands.Offers(ctx, at.space, cluster, at.permission()); err != nil {
			return nil, nil, err
		}
	}
	orders, err = p.orders(ctx, at, cluster)
	return offers, orders, err
}

// orders are what was ordered about a problem; never nil.
func (p *Pages) orders(ctx context.Context, at *place, cluster string) ([]command.Order, error) {
	if p.cfg.Commands == nil {
		return []command.Order{}, nil
	}
	orders, err := p.cfg.Commands.Orders(ctx, at.space, cluster)
	return append([]command.Order{}, orders...), err
}

// permission is what whoever asks may do in the project.
func (at *place) permission() github.Permission {
	if at.who.operator {
		return github.Admin
	}
	return at.who.reach[at.installation].Repositories[at.project.Repo.ID]
}

// giver is who gives a command: somebody whom GitHub can be asked about or, in a preview,
// whoever is at the machine. The operator's token is nobody's.
func (p *Pages) giver(at *place) (by github.Person, may bool) {
	if p.cfg.Preview {
		return github.Person{Login: "you"}, true
	}
	return at.who.who, at.who.who.Login != ""
}

// errNobody says that a command came with a token that is nobody's.
var errNobody = errors.New("a command is somebody's, whom GitHub is asked about: sign in. Nothing was ordered")

// give takes a command.
func (p *Pages) give(ctx context.Context, at *place, cluster, name, words string) (command.Order, error) {
	by, may := p.giver(at)
	if !may {
		return command.Order{}, errNobody
	}
	if p.cfg.Commands == nil {
		return command.Order{}, errNone
	}
	return p.cfg.Commands.Give(ctx, at.space, cluster, command.Given{Name: name, Words: words, By: by, Through: at.who.through, RequestID: handlers.RequestID(ctx)})
}

// refused answers a command that was not taken.
func (p *Pages) refused(w http.ResponseWriter, r *http.Request, err error) {
	var not *command.NotUnderstood
	switch {
	case errors.As(err, &not):
		p.refuse(w, r, http.StatusBadRequest, not.Reply)
	case errors.Is(err, errNobody):
		p.refuse(w, r, http.StatusForbidden, err.Error())
	case errors.Is(err, command.ErrTooMany):
		handlers.RetryAfter(w, time.Minute)
		p.refuse(w, r, http.StatusTooManyRequests, err.Error())
	case errors.Is(err, command.ErrNoCluster):
		p.nothing(w, r)
	default:
		p.fail(w, r, err)
	}
}

// command takes what a button of a page orders, and shows what came of it.
func (p *Pages) command(w http.ResponseWriter, r *http.Request, at *place) {
	cluster := r.PathValue("cluster")
	o, err := p.give(r.Context(), at, cluster, r.PostFormValue("command"), r.PostFormValue("words"))
	if err != nil {
		p.refused(w, r, err)
		return
	}
	said := "ordered"
	if p.answered(r.Context(), at, cluster, o.ID) {
		said = "answered"
	}
	to, err := p.after(r.Context(), at, cluster, r.PostFormValue("run"), o)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, to+"?done="+said+"#commands", http.StatusSeeOther)
}

// answerWithin is how long a page waits for the answer to what it ordered, answerLook how
// long between two looks.
const (
	answerWithin = 2 * time.Second
	answerLook   = 50 * time.Millisecond
)

// answered waits a moment for the answer to an order, and reports whether it is there.
func (p *Pages) answered(ctx context.Context, at *place, cluster, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	look := time.NewTicker(answerLook)
	defer look.Stop()
	for {
		orders, err := p.cfg.Commands.Orders(ctx, at.space, cluster)
		if err != nil {
			return false
		}
		for _, o := range orders {
			if o.ID == id && o.State == command.Answered {
				return true
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
}

// after is where a form's sender sees what came of it: on the page of the run that was
// begun, or on the page where the form was.
func (p *Pages) after(ctx context.Context, at *place, cluster, here string, o command.Order) (string, error) {
	newest, _, err := run.Of(ctx, at.space, cluster)
	if err != nil {
		return "", err
	}
	if begins := o.Command == "fix" || o.Command == "retry"; begins && newest != nil && !newest.Created.Before(o.At) {
		return RunPath(at.space.Name(), newest.ID), nil
	}
	if here != "" {
		r, _, err := run.Load(ctx, at.space, here)
		if err == nil && r.Cluster == cluster {
			return RunPath(at.space.Name(), r.ID), nil
		}
		if err != nil && !errors.Is(err, run.ErrNone) && !errors.Is(err, storage.ErrInvalid) {
			return "", err
		}
	}
	return clusterPath(at.project, cluster), nil
}

// The API.

// commandList is what it tells of commands: those that would do something now, and what
// was ordered within a day, newest first.
type commandList struct {
	Offers []offerTold     `json:"offers"`
	Orders []command.Order `json:"orders"`
}

type offerTold struct {
	Command string `json:"command"`
	Does    string `json:"does"`
	Words   bool   `json:"words"` // it takes words
}

func (p *Pages) tellCommands(w http.ResponseWriter, r *http.Request, at *place) {
	cluster := r.PathValue("cluster")
	if _, err := p.find(r.Context(), at, cluster); err != nil {
		p.fail(w, r, err)
		return
	}
	list, err := p.toldCommands(r.Context(), at, cluster)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusOK, list)
}

func (p *Pages) toldCommands(ctx context.Context, at *place, cluster string) (commandList, error) {
	offers, orders, err := p.commandsOf(ctx, at, cluster)
	list := commandList{Offers: []offerTold{}, Orders: orders}
	for _, o := range offers {
		list.Offers = append(list.Offers, offerTold{o.Name, o.Does, o.Words()})
	}
	return list, err
}

// commandTold takes what a program orders.
func (p *Pages) commandTold(w http.ResponseWriter, r *http.Request, at *place) {
	var wanted struct {
		Command string `json:"command"`
		Words   string `json:"words"`
	}
	if !decode(w, r, &wanted) {
		return
	}
	o, err := p.give(r.Context(), at, r.PathValue("cluster"), wanted.Command, wanted.Words)
	if err != nil {
		p.refused(w, r, err)
		return
	}
	handlers.JSON(w, http.StatusAccepted, o)
}

// clusterNow is what a stream about a problem tells.
type clusterNow struct {
	State   issue.State     `json:"state"`
	Text    string          `json:"text"`
	Issue   *apiIssue       `json:"issue,omitempty"`
	Reports int             `json:"reports"`
	Events  int             `json:"events"`
	Last    *time.Time      `json:"last,omitempty"`
	Run     string          `json:"run,omitempty"` // id of the newest
	RunIs   run.State       `json:"run_state,omitempty"`
	Orders  []command.Order `json:"orders"`
}

// clusterEvents serves a stream about a problem.
func (p *Pages) clusterEvents(w http.ResponseWriter, r *http.Request, at *place) {
	cluster := r.PathValue("cluster")
	p.events(w, r, at, needs.see, func(ctx context.Context) (any, bool, error) {
		f, err := p.find(ctx, at, cluster)
		if err != nil {
			return nil, false, err
		}
		line := f.line
		now := clusterNow{State: line.State, Text: line.Text, Reports: line.Reports, Events: line.Events, Last: moment(line.Last)}
		if line.Number != 0 {
			now.Issue = &apiIssue{Number: line.Number, URL: line.URL}
		}
		newest, _, err := run.Of(ctx, at.space, cluster)
		if err != nil {
			return nil, false, err
		}
		if newest != nil {
			now.Run, now.RunIs = newest.ID, newest.State
		}
		now.Orders, err = p.orders(ctx, at, cluster)
		return now, false, err
	})
}

// clusterStream is the address of the stream about a problem.
func clusterStream(at project.Project, cluster string) string {
	return api + projectPath(at) + "/clusters/" + url.PathEscape(cluster) + "/events"
}
