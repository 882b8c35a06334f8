output "name" {
  description = "Name of the worker pool."
  value       = google_cloud_run_v2_worker_pool.worker.name
}

output "autoscaler" {
  description = "E-mail of the autoscaler's account, null without one."
  value       = one(google_service_account.autoscaler[*].email)
}

output "autoscaler_member" {
  description = "The autoscaler as an IAM member, null without one."
  value       = one(google_service_account.autoscaler[*].member)
}
