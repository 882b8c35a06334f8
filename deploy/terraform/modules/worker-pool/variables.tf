variable "project" {
  description = "Project of the worker pool."
  type        = string
}

variable "region" {
  description = "Region of the worker pool; the one of the datasets and the ledger, or every read crosses regions."
  type        = string
}

variable "name" {
  description = "Name of the worker pool."
  type        = string
  default     = "gamefill-worker"
}

variable "image" {
  description = "Image with a tag that never moves, or a digest: REPOSITORY/gamefill:TAG. A run names the version that built it."
  type        = string

  validation {
    condition     = can(regex("^[^@]+:[A-Za-z0-9_][A-Za-z0-9_.-]*$|@sha256:[0-9a-f]{64}$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Give the image a tag other than latest, or a digest."
  }
}

variable "metrics_image" {
  description = "Google's collector of Prometheus metrics for Cloud Run, which scrapes localhost:8080/metrics unless told otherwise. Empty: no collector, and then no autoscaling by gamefill's own metric."
  type        = string
  default     = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"
}

variable "service_account" {
  description = "E-mail of the worker's account."
  type        = string
}

variable "queue" {
  description = "GAMEFILL_QUEUE."
  type        = string

  validation {
    condition     = startswith(var.queue, "pubsub://")
    error_message = "Workers of a pool share no disk: the queue must be pubsub://PROJECT/TOPIC."
  }
}

variable "ledger" {
  description = "GAMEFILL_LEDGER."
  type        = string

  validation {
    condition     = startswith(var.ledger, "firestore://")
    error_message = "Workers of a pool share no disk: the ledger must be firestore://PROJECT/DATABASE."
  }
}

variable "warehouse" {
  description = "GAMEFILL_WAREHOUSE; its parameter fleet must be at least the most instances that the pool ever has."
  type        = string

  validation {
    condition     = startswith(var.warehouse, "bigquery://")
    error_message = "Workers of a pool share no disk: the warehouse must be bigquery://PROJECT."
  }
}

variable "instances" {
  description = "Instances when the pool is made. Afterwards the autoscaler, or `gcloud run worker-pools update --instances`, decides, and Terraform leaves the number alone."
  type        = number
  default     = 0

  validation {
    condition     = var.instances >= 0 && var.instances == floor(var.instances)
    error_message = "A whole number, at least 0."
  }
}

variable "concurrency" {
  description = "GAMEFILL_CONCURRENCY: dates in progress at once in one instance."
  type        = number
  default     = 4

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 32
    error_message = "1 to 32 dates at once."
  }
}

variable "cpu" {
  description = "CPUs of the worker's container: 1, 2, 4, 6 or 8. One date keeps less than a core busy; it mostly waits."
  type        = string
  default     = "1"

  validation {
    condition     = contains(["1", "2", "4", "6", "8"], var.cpu)
    error_message = "Cloud Run takes 1, 2, 4, 6 or 8 CPUs."
  }
}

variable "memory" {
  description = "Memory of the worker's container; a date in progress takes a few megabytes."
  type        = string
  default     = "512Mi"
}

variable "notify_webhook" {
  description = "Secret of Secret Manager in var.project, and its version, that hold the address of a Slack-compatible webhook: GAMEFILL_NOTIFY_WEBHOOK. Terraform never sees the address. Null: nobody is told."
  type = object({
    secret  = string
    version = string
  })
  default = null

  validation {
    condition     = var.notify_webhook == null || can(regex("^[A-Za-z0-9_-]+$", var.notify_webhook.secret))
    error_message = "The secret's name, not its address: the address is a secret, and Terraform's state is not."
  }
}

variable "otlp_endpoint" {
  description = "OTEL_EXPORTER_OTLP_ENDPOINT: a collector that takes traces by OTLP over HTTP, such as http://HOST:4318. Null: nothing is traced."
  type        = string
  default     = null

  validation {
    condition     = var.otlp_endpoint == null || can(regex("^https?://", var.otlp_endpoint))
    error_message = "The exporter takes an http or https address."
  }
}

variable "autoscaler" {
  description = "Whether to make the account of the autoscaler, with the right to set the pool's instances."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the pool. A pool has no state: deleting it loses nothing."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Labels of the pool."
  type        = map(string)
  default     = {}
}
