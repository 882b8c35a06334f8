# Alert policies in PromQL over the workers' metrics; docs/deploy.md lists those. Gauges of a run come from the ledger and
# are the same in every worker, so they are joined by max; counters are each worker's own, so they are summed.

locals {
  alerts = {
    dead-letters = {
      severity = "ERROR"
      query    = "max(gamefill_dates{state=\"dead\"}) > 0"
      duration = "60s"
      text     = "Dates were given up on. `publisher deadletters` says which and why, `publisher replay` queues them again."
    }

    run-paused = {
      severity = "CRITICAL"
      query    = "max by (cause) (gamefill_run_paused{cause!=\"operator\"}) > 0"
      duration = "60s"
      text     = "The run paused itself: the breaker, a missing right or table, or a daily quota. `publisher status` has the sentence; mend that, then `publisher resume`."
    }

    no-progress = {
      severity = "ERROR"
      query    = "max(gamefill_claimable_dates) > 0 and on() min(gamefill_last_progress_seconds) > ${var.silence_minutes * 60}"
      duration = "60s"
      text     = "Dates wait and none has finished for ${var.silence_minutes} minutes. `publisher status` names what is in progress and since when."
    }

    slow-progress = {
      severity = "WARNING"
      query    = "max(gamefill_eta_seconds) > ${var.eta_hours * 3600}"
      duration = "900s"
      text     = "At its present rate the run needs more than ${var.eta_hours} hours. More workers help until loads are limited; docs/deploy.md has the arithmetic."
    }

    check-failed = {
      severity = "ERROR"
      query    = "max by (check) (gamefill_check_verdict) > 1"
      duration = "60s"
      text     = "The newest run fails a check of its validation or sample. `publisher status` has the number seen, the bound and what to do."
    }

    quota = {
      severity = "WARNING"
      query    = "sum(increase(gamefill_attempts_total{class=\"quota\"}[15m])) > 0"
      duration = "0s"
      text     = "The warehouse refused work for a quota or rate limit. Attempts are not spent. Fewer workers, or a greater `fleet` in GAMEFILL_WAREHOUSE, keep below it."
    }

    oldest-date = {
      severity = "WARNING"
      query    = "max(gamefill_oldest_pending_seconds) > 7200"
      duration = "300s"
      text     = "A date has waited for two hours. `publisher status` and `publisher explain DATE` say why."
    }

    lease-loss = {
      severity = "WARNING"
      query    = "sum(increase(gamefill_lease_lost_total[15m])) > 3"
      duration = "0s"
      text     = "Workers lose dates in progress: they are killed, starved of CPU, or cut off from the ledger. Nothing is written twice, but work is done twice."
    }
  }
}

resource "google_monitoring_alert_policy" "run" {
  for_each = local.alerts

  project               = var.project
  display_name          = "gamefill ${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = var.notification_channels

  conditions {
    display_name = each.key

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = each.value.duration
      evaluation_interval = "60s"
      # The metrics exist only once a worker has run; the policy may come first.
      disable_metric_validation = true
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.text}${var.runbooks == "" ? "" : "\n\n${var.runbooks}/${each.key}.md"}"
  }
}

# Without a worker there is no metric of one, so this one asks the queue.
resource "google_monitoring_alert_policy" "unread" {
  project               = var.project
  display_name          = "gamefill unread-queue"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels

  conditions {
    display_name = "unread-queue"

    condition_threshold {
      filter = join(" AND ", [
        "resource.type = \"pubsub_subscription\"",
        "resource.labels.subscription_id = \"${var.subscription}\"",
        "metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 3600
      duration        = "300s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content = join("", [
      "A message has waited for an hour: no worker runs, or the run is paused. `publisher status` tells which.",
      var.runbooks == "" ? "" : "\n\n${var.runbooks}/unread-queue.md",
    ])
  }
}
