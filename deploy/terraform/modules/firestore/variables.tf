variable "project" {
  description = "Project that owns the database: PROJECT in GAMEFILL_LEDGER=firestore://PROJECT/DATABASE."
  type        = string
}

variable "database" {
  description = "Database of the ledger: DATABASE in GAMEFILL_LEDGER. It should be gamefill's own."
  type        = string
  default     = "gamefill"

  validation {
    condition     = var.database == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database))
    error_message = "A database is (default), or 4 to 63 lower-case letters, digits and dashes, from a letter to a letter or digit."
  }
}

variable "location" {
  description = "Where the database is, for good: a region such as us-central1, or nam5 or eur3. Near the workers."
  type        = string
}

variable "create_database" {
  description = "Whether to make the database; false adopts one that exists and only adds the indexes."
  type        = bool
  default     = true
}
