# The ledger: a database in native mode and the indexes of its queries. Nothing in the ledger expires, so no field has a
# time-to-live policy.

locals {
  # Derived from the adapter's list of queries; a test keeps the file true.
  indexes = jsondecode(file("${path.module}/../../../firestore.indexes.json"))

  database = var.create_database ? google_firestore_database.ledger[0].name : var.database
}

resource "google_firestore_database" "ledger" {
  count = var.create_database ? 1 : 0

  project     = var.project
  name        = var.database
  location_id = var.location
  type        = "FIRESTORE_NATIVE"

  # The ledger's compare-and-set never holds locks; its five transactions are short.
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON" # history of runs outlives this configuration
}

resource "google_firestore_index" "composite" {
  for_each = {
    for index in local.indexes.indexes :
    join("/", concat([index.collectionGroup], [for field in index.fields : field.fieldPath])) => index
  }

  project     = var.project
  database    = local.database
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path = fields.value.fieldPath
      order      = fields.value.order
    }
  }
}

# Long fields that no query looks at have an empty list: each index of them would only cost writes.
resource "google_firestore_field" "single" {
  for_each = { for field in local.indexes.fieldOverrides : "${field.collectionGroup}/${field.fieldPath}" => field }

  project    = var.project
  database   = local.database
  collection = each.value.collectionGroup
  field      = each.value.fieldPath

  index_config {
    dynamic "indexes" {
      for_each = each.value.indexes

      content {
        order       = indexes.value.order
        query_scope = indexes.value.queryScope
      }
    }
  }
}
