variable "project" {
  description = "Project that everything is made in, and that pays."
  type        = string
}

variable "region" {
  description = "Region of workers and images."
  type        = string
  default     = "us-central1"
}

variable "location" {
  description = "Location of the BigQuery datasets: where nba_raw already is."
  type        = string
  default     = "US"
}

variable "ledger_location" {
  description = "Location of the ledger's database, for good."
  type        = string
  default     = "us-central1"
}

variable "fleet" {
  description = "Most workers at once. The load limit is reached with few: docs/deploy.md has the arithmetic."
  type        = number
  default     = 10
}

variable "create_table" {
  description = "Whether to make nba_analytics.player_game_summary, for a project that does not have it."
  type        = bool
  default     = false
}

variable "add_aliases" {
  description = "Whether the publisher's account may write nba_reference, for `publisher alias add`."
  type        = bool
  default     = false
}

variable "operator_may_roll_back" {
  description = "Whether the publisher's account may write nba_analytics, for `publisher rollback` and `publisher snapshots drop`. Without it only workers write there."
  type        = bool
  default     = false
}

variable "notification_channels" {
  description = "Monitoring channels that alerts and the budget tell."
  type        = list(string)
  default     = []
}

variable "billing_account" {
  description = "Billing account for a monthly budget; null makes none."
  type        = string
  default     = null
}

variable "budget_units" {
  description = "The budget's amount a month, in whole units of the account's currency."
  type        = number
  default     = 50
}

variable "notify_webhook" {
  description = "Secret of Secret Manager in var.project, and its version, that hold the address of a Slack-compatible webhook: GAMEFILL_NOTIFY_WEBHOOK. Terraform never sees the address. Null: nobody is told."
  type = object({
    secret  = string
    version = string
  })
  default = null
}

variable "otlp_endpoint" {
  description = "OTEL_EXPORTER_OTLP_ENDPOINT: a collector that takes traces by OTLP over HTTP, such as http://HOST:4318. Null: nothing is traced."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of the worker with its tag or digest. Null makes everything but the worker pool: the first apply makes the repository that the image is pushed to."
  type        = string
  default     = null
}
