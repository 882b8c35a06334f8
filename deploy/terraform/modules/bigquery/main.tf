# The warehouse: the dataset and the table that gamefill fills. Raw and reference tables belong to whoever loads them.

locals {
  # Made from the one definition of the table in the program; `make generated` keeps the file true.
  table = jsondecode(file("${path.module}/../../../schema/player_game_summary.json"))
}

resource "google_bigquery_dataset" "analytics" {
  count = var.create_dataset ? 1 : 0

  project     = var.project
  dataset_id  = var.analytics_dataset
  location    = var.location
  description = "Tables that gamefill fills."
  labels      = var.labels

  # No expiration of tables or partitions: one that reaches a run's dates fails its preflight.
  delete_contents_on_destroy = false
}

resource "google_bigquery_table" "summary" {
  count      = var.create_table ? 1 : 0
  depends_on = [google_bigquery_dataset.analytics]

  project     = var.project
  dataset_id  = var.analytics_dataset
  table_id    = local.table.tableReference.tableId
  description = local.table.description
  labels      = var.labels

  schema                   = jsonencode(local.table.schema.fields)
  clustering               = local.table.clustering.fields
  require_partition_filter = local.table.requirePartitionFilter
  deletion_protection      = true

  time_partitioning {
    type  = local.table.timePartitioning.type
    field = local.table.timePartitioning.field
  }

  lifecycle {
    prevent_destroy = true
    # Columns that others add are theirs. Without this, a column that the file lacks would mean a new, empty table.
    ignore_changes = [schema]
  }
}
