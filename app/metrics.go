package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/soulcaster/soulcaster/engine/storage"
	"github.com/soulcaster/soulcaster/engine/work"
)

// metrics is what Prometheus reads. Labels are routes and statuses, never what
// somebody sent, so their number is bounded.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(db storage.DB, queue *work.Queue) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "soulcaster_http_requests_total", Help: "Requests answered.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "soulcaster_http_request_seconds", Help: "How long an answer took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	up := func(check func() error) func() float64 {
		return func() float64 {
			if check() != nil {
				return 0
			}
			return 1
		}
	}
	m.registry.MustRegister(m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "soulcaster_store_up", Help: "1 while the store answers."}, up(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
			defer cancel()
			return db.Ping(ctx)
		})),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "soulcaster_workers_up", Help: "1 while the workers work."}, up(queue.Ready)),
	)
	return m
}

// runsGauge tells how many rounds of the agent go on and how many wait, whenever it
// is asked. While the store is away there is nothing to tell.
type runsGauge struct {
	load func(ctx context.Context) (busy, waiting int, err error)
	desc *prometheus.Desc
}

// watchRuns adds the runs to the metrics.
func (m *metrics) watchRuns(load func(ctx context.Context) (busy, waiting int, err error)) {
	m.registry.MustRegister(&runsGauge{load, prometheus.NewDesc("soulcaster_runs",
		"Rounds of the agent that go on, and that wait for a place; counted up to a thousand.", []string{"state"}, nil)})
}

func (g *runsGauge) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

func (g *runsGauge) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	busy, waiting, err := g.load(ctx)
	if err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(busy), "working")
	to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(waiting), "waiting")
}

// count counts an answer.
func (m *metrics) count(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
