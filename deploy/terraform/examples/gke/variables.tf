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

variable "namespace" {
  description = "Kubernetes namespace of the workers, as in deploy/gke/base."
  type        = string
  default     = "gamefill"
}

variable "image_readers" {
  description = "Members that may pull the image: the account of the cluster's nodes, such as serviceAccount:NODES@PROJECT.iam.gserviceaccount.com. Empty where it may already."
  type        = set(string)
  default     = []
}

variable "metrics_readers" {
  description = "Kubernetes accounts that ask for metrics to scale workers: KEDA's operator for overlays/keda, that of managed Prometheus' frontend for overlays/hpa."
  type = map(object({
    namespace = string
    name      = string
  }))
  default = {
    keda = { namespace = "keda", name = "keda-operator" }
  }
}
