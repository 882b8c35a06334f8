output "address" {
  description = "The value of GAMEFILL_WAREHOUSE."
  value = join("", [
    "bigquery://${var.project}?analytics=${var.project}.${var.analytics_dataset}&raw=${var.project}.${var.raw_dataset}",
    "&reference=${var.project}.${var.reference_dataset}&location=${var.location}&fleet=${var.fleet}",
  ])
}

output "analytics_dataset" {
  description = "Dataset that the programs write to."
  value       = var.create_dataset ? google_bigquery_dataset.analytics[0].dataset_id : var.analytics_dataset
}

output "raw_dataset" {
  description = "Dataset of box scores and schedule."
  value       = var.raw_dataset
}

output "reference_dataset" {
  description = "Dataset of the player registry."
  value       = var.reference_dataset
}

output "fleet" {
  description = "Greatest number of workers that the address allows for; the deployment must not run more."
  value       = var.fleet
}
