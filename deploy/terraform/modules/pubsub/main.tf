# The queue: two topics and two subscriptions, with the settings that `publisher init` would give them. Both may set them
# up, in either order: init leaves alone what is there, and says what differs.

data "google_project" "this" {
  project_id = var.project
}

locals {
  # The service account by which Pub/Sub itself forwards messages.
  service_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "dates" {
  project = var.project
  name    = var.topic
  labels  = var.labels
}

resource "google_pubsub_topic" "dead" {
  project = var.project
  name    = "${var.topic}-dead"
  labels  = var.labels
}

resource "google_pubsub_subscription" "worker" {
  project = var.project
  name    = "${google_pubsub_topic.dates.name}-worker"
  topic   = google_pubsub_topic.dates.id
  labels  = var.labels

  # Before the first extension; a killed worker's message comes again after it.
  ack_deadline_seconds = 60

  expiration_policy {
    ttl = "" # never: without it the service deletes a subscription that nobody used for 31 days
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s" # the service's maximum
  }

  # A backstop at the service's maximum: the ledger decides what is dead, after far fewer attempts.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = 100
  }
}

resource "google_pubsub_subscription" "fold" {
  project = var.project
  name    = "${google_pubsub_topic.dead.name}-fold"
  topic   = google_pubsub_topic.dead.id
  labels  = var.labels

  ack_deadline_seconds = 60

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
}

# To forward, the service must publish the letter ...
resource "google_pubsub_topic_iam_member" "forward" {
  project = var.project
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = local.service_agent
}

# ... and ack the message.
resource "google_pubsub_subscription_iam_member" "forward" {
  project      = var.project
  subscription = google_pubsub_subscription.worker.name
  role         = "roles/pubsub.subscriber"
  member       = local.service_agent
}
