# What workers on GKE need around the cluster. The cluster itself is yours; deploy/gke has the manifests.

locals {
  labels = { app = "gamefill" }
}

data "google_project" "this" {
  project_id = var.project
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
    "container.googleapis.com",
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
  readers  = var.image_readers
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

  kubernetes_service_accounts = {
    worker    = "${var.namespace}/gamefill-worker"
    publisher = "${var.namespace}/gamefill-publisher"
  }

  metrics_readers = {
    for name, account in var.metrics_readers : name => join("", [
      "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/",
      "${var.project}.svc.id.goog/subject/ns/${account.namespace}/sa/${account.name}",
    ])
  }
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
