output "address" {
  description = "The value of GAMEFILL_QUEUE."
  value       = "pubsub://${var.project}/${google_pubsub_topic.dates.name}"
}

output "topic" {
  description = "Name of the topic that carries the dates."
  value       = google_pubsub_topic.dates.name
}

output "dead_letter_topic" {
  description = "Name of the topic of what is given up on."
  value       = google_pubsub_topic.dead.name
}

output "subscription" {
  description = "Name of the subscription that all workers share."
  value       = google_pubsub_subscription.worker.name
}

output "dead_letter_subscription" {
  description = "Name of the subscription that is folded into the ledger."
  value       = google_pubsub_subscription.fold.name
}
