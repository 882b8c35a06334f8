output "queue" {
  description = "GAMEFILL_QUEUE."
  value       = module.queue.address
}

output "ledger" {
  description = "GAMEFILL_LEDGER."
  value       = module.ledger.address
}

output "warehouse" {
  description = "GAMEFILL_WAREHOUSE."
  value       = module.warehouse.address
}

output "repository" {
  description = "Where the image is pushed."
  value       = module.registry.repository
}

output "worker_account" {
  description = "E-mail of the worker's account."
  value       = module.accounts.worker
}

output "publisher_account" {
  description = "E-mail of the publisher's account."
  value       = module.accounts.publisher
}

output "autoscaler_account" {
  description = "E-mail of the autoscaler's account, null before the image is given."
  value       = one(module.workers[*].autoscaler)
}
