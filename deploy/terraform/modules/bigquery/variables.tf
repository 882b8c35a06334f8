variable "project" {
  description = "Project that runs and pays for the jobs and owns the datasets: PROJECT in GAMEFILL_WAREHOUSE=bigquery://PROJECT."
  type        = string
}

variable "location" {
  description = "Location of the datasets, such as US or us-central1; load and copy jobs need all three in one."
  type        = string
}

variable "analytics_dataset" {
  description = "Dataset of player_game_summary."
  type        = string
  default     = "nba_analytics"

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.analytics_dataset))
    error_message = "A dataset is letters, digits and underscores."
  }
}

variable "raw_dataset" {
  description = "Dataset of the box scores and the schedule. It is somebody else's: only read, never made."
  type        = string
  default     = "nba_raw"
}

variable "reference_dataset" {
  description = "Dataset of the player registry and its aliases. It is somebody else's: only read, never made."
  type        = string
  default     = "nba_reference"
}

variable "create_dataset" {
  description = "Whether to make the analytics dataset; false adopts one that exists."
  type        = bool
  default     = false
}

variable "create_table" {
  description = "Whether to make player_game_summary. Leave it false where the table exists: `publisher init` adds what is missing there, and nothing here may ever replace it."
  type        = bool
  default     = false
}

variable "fleet" {
  description = "Greatest number of workers at once: each keeps to 40 loads per 10 s divided by it, below the service's 50 a partitioned table."
  type        = number
  default     = 10

  validation {
    condition     = var.fleet >= 1 && var.fleet <= 10 && var.fleet == floor(var.fleet)
    error_message = "A whole number from 1 to 10: more workers only wait for the limit of the table, as docs/sizing.md computes."
  }
}

variable "labels" {
  description = "Labels of what is made."
  type        = map(string)
  default     = {}
}
