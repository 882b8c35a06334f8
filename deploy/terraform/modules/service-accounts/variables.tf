variable "project" {
  description = "Project of the accounts, of the queue, of the ledger, and that pays for BigQuery jobs."
  type        = string
}

variable "queue" {
  description = "Names that the module pubsub returns."
  type = object({
    topic                    = string
    dead_letter_topic        = string
    subscription             = string
    dead_letter_subscription = string
  })
}

variable "database" {
  description = "Name of the ledger's Firestore database."
  type        = string
}

variable "datasets" {
  description = "Datasets in var.project by what they are for."
  type = object({
    analytics = string
    raw       = string
    reference = string
  })
}

variable "add_aliases" {
  description = "Whether the publisher's account may write the dataset of the registry, for `publisher alias add`."
  type        = bool
  default     = false
}

variable "operator_may_roll_back" {
  description = "Whether the publisher's account may write the dataset of player_game_summary, for `publisher rollback` and `publisher snapshots drop`. Without it only workers write there."
  type        = bool
  default     = false
}

variable "kubernetes_service_accounts" {
  description = "Kubernetes accounts that may act as each Google account, as NAMESPACE/NAME; empty without GKE. The names are those in deploy/gke."
  type = object({
    worker    = optional(string)
    publisher = optional(string)
  })
  default = {}
}

variable "metrics_readers" {
  description = "Members that read metrics to scale workers, such as KEDA's operator or the adapter of external metrics, by a label of your own."
  type        = map(string)
  default     = {}
}

variable "write_metrics" {
  description = "Whether workers write metrics themselves, through the collector beside them on Cloud Run. GKE's collection has an identity of its own."
  type        = bool
  default     = false
}
