// Package telemetry shows a worker to whatever watches it: metrics for Prometheus, probes over HTTP, traces for
// OpenTelemetry, and log lines in the form that Cloud Logging reads. It is a leaf: the binaries know it, and nothing
// that it measures does.
//
// [Metrics] counts what one worker does and reads where the run is from the ledger; docs/deploy.md lists every name. No
// label has more values than the code has words for, seasons aside: never a date, an owner or a run. [Traces] follows
// single dates, from the publisher on.
package telemetry

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gamefill/internal/failure"
	"gamefill/internal/ledger"
)

// Metrics are the metrics of one worker process. It is a worker.Observer and safe for concurrent use.
type Metrics struct {
	registry   *prometheus.Registry
	attempts   *prometheus.CounterVec
	stages     *prometheus.HistogramVec
	leaseLost  prometheus.Counter
	duplicates prometheus.Counter
}

// stageBounds are the upper bounds of the stage histogram, in seconds: a stage of the embedded store takes
// milliseconds, a load job seconds, and a minute is the usual lease.
var stageBounds = []float64{0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// noClass is the label of an attempt that did not fail.
const noClass = "none"

// NewMetrics makes the metrics of a worker of one job, whose runs l keeps.
func NewMetrics(l Ledger, jobName string, log *slog.Logger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gamefill_attempts_total",
			Help: "Attempts that ended in this worker, by result and failure class."}, []string{"result", "class"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gamefill_stage_seconds",
			Help: "How long stages of attempts took, in seconds.", Buckets: stageBounds}, []string{"stage"}),
		leaseLost: prometheus.NewCounter(prometheus.CounterOpts{Name: "gamefill_lease_lost_total",
			Help: "Dates that were lost while this worker had them in progress."}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{Name: "gamefill_duplicates_total",
			Help: "Deliveries that changed nothing: old copies and settled dates."}),
	}
	// A series that begins at 1 has never increased in the eyes of Prometheus, so what alerts ask for begins at 0.
	m.attempts.WithLabelValues(ledger.ResultComplete, noClass)
	for _, class := range []failure.Class{failure.Transient, failure.Quota, failure.Environment} {
		m.attempts.WithLabelValues(ledger.ResultFailed, class.String())
	}
	for _, class := range []failure.Class{failure.Permanent, failure.Transient} {
		m.attempts.WithLabelValues(ledger.ResultDead, class.String())
	}
	m.registry.MustRegister(m.attempts, m.stages, m.leaseLost, m.duplicates, newRunGauges(l, jobName, log),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// StageEnded counts a stage of an attempt.
func (m *Metrics) StageEnded(stage string, took time.Duration) {
	m.stages.WithLabelValues(stage).Observe(took.Seconds())
}

// AttemptEnded counts an attempt by its result and the class of its failure.
func (m *Metrics) AttemptEnded(result string, f *ledger.Failure) {
	class := noClass
	if f != nil {
		class = f.Class.String()
	}
	m.attempts.WithLabelValues(result, class).Inc()
}

// LeaseLost counts a date that was lost while in progress.
func (m *Metrics) LeaseLost() { m.leaseLost.Inc() }

// Duplicate counts a delivery that changed nothing.
func (m *Metrics) Duplicate() { m.duplicates.Inc() }
