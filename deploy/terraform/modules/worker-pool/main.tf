# Workers that pull. deploy/cloud-run/worker-pool.yaml is the same pool as a manifest.

locals {
  environment = merge({
    GAMEFILL_QUEUE       = var.queue
    GAMEFILL_LEDGER      = var.ledger
    GAMEFILL_WAREHOUSE   = var.warehouse
    GAMEFILL_CONCURRENCY = tostring(var.concurrency)
    GAMEFILL_LISTEN      = ":8080"
    GAMEFILL_LOG         = "json"
    }, var.otlp_endpoint == null ? {} : {
    OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp_endpoint
    GOOGLE_CLOUD_PROJECT        = var.project # log lines name their trace in it
  })
}

resource "google_cloud_run_v2_worker_pool" "worker" {
  project             = var.project
  location            = var.region
  name                = var.name
  description         = "Takes game dates from the queue and replaces their partitions."
  labels              = var.labels
  deletion_protection = var.deletion_protection
  depends_on          = [google_secret_manager_secret_iam_member.webhook] # looked at when the pool is made

  scaling {
    scaling_mode          = "MANUAL" # the service has no metric of its own for work that is pulled
    manual_instance_count = var.instances
  }

  template {
    service_account = var.service_account

    containers {
      name  = "worker"
      image = var.image

      # Cloud Run kills an instance 10 s after SIGTERM. Within 8 s a date in progress is finished or given back; what is
      # killed all the same comes again when its lease ends.
      args = ["--grace=8s"]

      dynamic "env" {
        for_each = local.environment

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.notify_webhook == null ? [] : [var.notify_webhook]

        content {
          name = "GAMEFILL_NOTIFY_WEBHOOK"

          value_source {
            secret_key_ref {
              secret  = env.value.secret
              version = env.value.version
            }
          }
        }
      }

      resources {
        limits = {
          cpu    = var.cpu
          memory = var.memory
        }
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 1
        failure_threshold = 30

        http_get {
          path = "/livez"
          port = 8080
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3

        http_get {
          path = "/livez"
          port = 8080
        }
      }
    }

    dynamic "containers" {
      for_each = var.metrics_image == "" ? [] : [var.metrics_image]

      content {
        name       = "collector"
        image      = containers.value
        depends_on = ["worker"]

        resources {
          limits = {
            cpu    = "1"
            memory = "512Mi"
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [scaling[0].manual_instance_count, client, client_version]
  }
}

# To read the address of the webhook: this one secret, and only when there is one. Cloud Run reads it as the worker.
resource "google_secret_manager_secret_iam_member" "webhook" {
  count = var.notify_webhook == null ? 0 : 1

  project   = var.project
  secret_id = var.notify_webhook.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${var.service_account}"
}

# --- Autoscaler: Google's Cloud Run External Metrics Autoscaling, deployed as docs/deploy.md shows.

resource "google_service_account" "autoscaler" {
  count = var.autoscaler ? 1 : 0

  project      = var.project
  account_id   = "gamefill-autoscaler"
  display_name = "gamefill autoscaler"
  description  = "Reads how many dates wait and sets the instances of ${var.name}."
}

# To set the number of instances of this one pool.
resource "google_cloud_run_v2_worker_pool_iam_member" "scale" {
  count = var.autoscaler ? 1 : 0

  project  = var.project
  location = google_cloud_run_v2_worker_pool.worker.location
  name     = google_cloud_run_v2_worker_pool.worker.name
  role     = "roles/run.developer"
  member   = google_service_account.autoscaler[0].member
}

# Who changes a pool must be allowed to use the account that it runs as.
resource "google_service_account_iam_member" "act" {
  count = var.autoscaler ? 1 : 0

  service_account_id = "projects/${var.project}/serviceAccounts/${var.service_account}"
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.autoscaler[0].member
}

# Its settings are a parameter in Parameter Manager.
resource "google_project_iam_member" "parameters" {
  count = var.autoscaler ? 1 : 0

  project = var.project
  role    = "roles/parametermanager.parameterViewer"
  member  = google_service_account.autoscaler[0].member
}
