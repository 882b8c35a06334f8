# One account per program. docs/deploy.md has the same roles as a table, and a test compares the two.
#
# No role here may create or change a topic, a subscription, an index or a dataset: that is for whoever runs Terraform, or
# `publisher init`.

resource "google_service_account" "worker" {
  project      = var.project
  account_id   = "gamefill-worker"
  display_name = "gamefill worker"
  description  = "Takes game dates and replaces their partitions."
}

resource "google_service_account" "publisher" {
  project      = var.project
  account_id   = "gamefill-publisher"
  display_name = "gamefill publisher"
  description  = "Plans, publishes, watches, validates and replays runs."
}

locals {
  both = {
    worker    = google_service_account.worker.member
    publisher = google_service_account.publisher.member
  }
}

# --- Queue: on the exact topics and subscriptions.

# The publisher queues dates and replays; the worker's reconciler publishes dates again.
resource "google_pubsub_topic_iam_member" "dates" {
  for_each = local.both

  project = var.project
  topic   = var.queue.topic
  role    = "roles/pubsub.publisher"
  member  = each.value
}

# Only a worker gives up on a date.
resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = var.queue.dead_letter_topic
  role    = "roles/pubsub.publisher"
  member  = local.both.worker
}

# Only workers take dates. `publisher run` works in its own process: run it as an account of yours that may.
resource "google_pubsub_subscription_iam_member" "dates" {
  project      = var.project
  subscription = var.queue.subscription
  role         = "roles/pubsub.subscriber"
  member       = local.both.worker
}

# Both fold dead letters into the ledger: the reconciler once a minute, `deadletters` and `replay` before they answer.
resource "google_pubsub_subscription_iam_member" "dead" {
  for_each = local.both

  project      = var.project
  subscription = var.queue.dead_letter_subscription
  role         = "roles/pubsub.subscriber"
  member       = each.value
}

# To see which topic a subscription is attached to: a worker on a foreign one would wait for ever. `publisher init
# --check` compares all settings.
resource "google_pubsub_subscription_iam_member" "see" {
  for_each = {
    for pair in setproduct(keys(local.both), ["subscription", "dead_letter_subscription"]) : join("/", pair) => {
      member       = local.both[pair[0]]
      subscription = var.queue[pair[1]]
    }
  }

  project      = var.project
  subscription = each.value.subscription
  role         = "roles/pubsub.viewer"
  member       = each.value.member
}

# For the same comparison, which is the publisher's alone.
resource "google_pubsub_topic_iam_member" "see" {
  for_each = toset(["topic", "dead_letter_topic"])

  project = var.project
  topic   = var.queue[each.value]
  role    = "roles/pubsub.viewer"
  member  = local.both.publisher
}

# --- Ledger.

# Reads and writes documents, in the ledger's database alone: Firestore has no roles on one database, but conditions.
resource "google_project_iam_member" "ledger" {
  for_each = local.both

  project = var.project
  role    = "roles/datastore.user"
  member  = each.value

  condition {
    title      = "ledger of gamefill"
    expression = "resource.name == \"projects/${var.project}/databases/${var.database}\""
  }
}

# --- Warehouse.

# Load, copy and query jobs are a project's. The role sees and ends an account's own jobs alone.
resource "google_project_iam_member" "jobs" {
  for_each = local.both

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = each.value
}

# The worker replaces partitions of the target, and makes the table that keeps what they held.
resource "google_bigquery_dataset_iam_member" "target" {
  project    = var.project
  dataset_id = var.datasets.analytics
  role       = "roles/bigquery.dataEditor"
  member     = local.both.worker
}

# Sources are only read: rows of one date, counts of a range, when a partition last changed. The publisher reads the target
# the same way, to plan and to validate.
resource "google_bigquery_dataset_iam_member" "read" {
  for_each = merge(
    { for name in ["raw", "reference"] : "worker/${name}" => { member = local.both.worker, dataset = var.datasets[name] } },
    { for name in ["raw", "reference", "analytics"] : "publisher/${name}" => { member = local.both.publisher, dataset = var.datasets[name] } },
  )

  project    = var.project
  dataset_id = each.value.dataset
  role       = "roles/bigquery.dataViewer"
  member     = each.value.member
}

# `publisher alias add` writes player_aliases, and nothing else there.
resource "google_bigquery_dataset_iam_member" "aliases" {
  count = var.add_aliases ? 1 : 0

  project    = var.project
  dataset_id = var.datasets.reference
  role       = "roles/bigquery.dataEditor"
  member     = local.both.publisher
}

# `publisher rollback` puts back what a run replaced, in the publisher's own process: it loads and deletes partitions of the
# target; `publisher snapshots drop` deletes tables of what was kept. Off by default, so that looking and planning cannot
# change a row.
resource "google_bigquery_dataset_iam_member" "rollback" {
  count = var.operator_may_roll_back ? 1 : 0

  project    = var.project
  dataset_id = var.datasets.analytics
  role       = "roles/bigquery.dataEditor"
  member     = local.both.publisher
}

# --- Metrics.

# On Cloud Run the collector beside the worker writes with the worker's account.
resource "google_project_iam_member" "write_metrics" {
  count = var.write_metrics ? 1 : 0

  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = local.both.worker
}

# The autoscaler asks how many dates wait.
resource "google_project_iam_member" "read_metrics" {
  for_each = var.metrics_readers

  project = var.project
  role    = "roles/monitoring.viewer"
  member  = each.value
}

# --- GKE.

# A pod with the Kubernetes account acts as the Google account; no key exists.
resource "google_service_account_iam_member" "pods" {
  for_each = { for name, account in var.kubernetes_service_accounts : name => account if account != null }

  service_account_id = each.key == "worker" ? google_service_account.worker.name : google_service_account.publisher.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${each.value}]"
}
