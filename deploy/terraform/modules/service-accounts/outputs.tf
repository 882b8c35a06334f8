output "worker" {
  description = "E-mail of the worker's account."
  value       = google_service_account.worker.email
}

output "publisher" {
  description = "E-mail of the publisher's account."
  value       = google_service_account.publisher.email
}
