# Everything for workers on Cloud Run: from an empty project with raw tables to a worker pool and its autoscaler's account.

locals {
  labels = { app = "gamefill" }
}

resource "google_project_service" "apis" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "billingbudgets.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "parametermanager.googleapis.com",
    "run.googleapis.com",
  ])

  project            = var.project
  service            = each.value
  disable_on_destroy = false # others may use them
}

module "registry" {
  source     = "../../modules/artifact-registry"
  depends_on = [google_project_service.apis]

  project  = var.project
  location = var.region
  labels   = local.labels
}

module "queue" {
  source     = "../../modules/pubsub"
  depends_on = [google_project_service.apis]

  project = var.project
  labels  = local.labels
}

module "ledger" {
  source     = "../../modules/firestore"
  depends_on = [google_project_service.apis]

  project  = var.project
  location = var.ledger_location
}

module "warehouse" {
  source     = "../../modules/bigquery"
  depends_on = [google_project_service.apis]

  project        = var.project
  location       = var.location
  create_dataset = var.create_table
  create_table   = var.create_table
  fleet          = var.fleet
  labels         = local.labels
}

module "accounts" {
  source = "../../modules/service-accounts"

  project  = var.project
  database = module.ledger.database

  queue = {
    topic                    = module.queue.topic
    dead_letter_topic        = module.queue.dead_letter_topic
    subscription             = module.queue.subscription
    dead_letter_subscription = module.queue.dead_letter_subscription
  }

  datasets = {
    analytics = module.warehouse.analytics_dataset
    raw       = module.warehouse.raw_dataset
    reference = module.warehouse.reference_dataset
  }

  add_aliases            = var.add_aliases
  operator_may_roll_back = var.operator_may_roll_back

  write_metrics   = true
  metrics_readers = var.image == null ? {} : { autoscaler = module.workers[0].autoscaler_member }
}

module "monitoring" {
  source     = "../../modules/monitoring"
  depends_on = [google_project_service.apis]

  project               = var.project
  subscription          = module.queue.subscription
  notification_channels = var.notification_channels
}

module "budget" {
  source     = "../../modules/budget"
  count      = var.billing_account == null ? 0 : 1
  depends_on = [google_project_service.apis]

  project               = var.project
  billing_account       = var.billing_account
  units                 = var.budget_units
  notification_channels = var.notification_channels
}

module "workers" {
  source     = "../../modules/worker-pool"
  count      = var.image == null ? 0 : 1
  depends_on = [google_project_service.apis]

  project         = var.project
  region          = var.region
  image           = var.image
  service_account = module.accounts.worker
  queue           = module.queue.address
  ledger          = module.ledger.address
  warehouse       = module.warehouse.address
  notify_webhook  = var.notify_webhook
  otlp_endpoint   = var.otlp_endpoint
  autoscaler      = true
  labels          = local.labels
}
