output "address" {
  description = "The value of GAMEFILL_LEDGER."
  value       = "firestore://${var.project}/${local.database}"
}

output "database" {
  description = "Name of the ledger's database."
  value       = local.database
}
