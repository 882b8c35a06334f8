variable "project" {
  description = "Project that owns the repository."
  type        = string
}

variable "location" {
  description = "Region of the repository; near the workers, or every cold start pulls across regions."
  type        = string
}

variable "repository" {
  description = "Name of the repository of images."
  type        = string
  default     = "gamefill"
}

variable "keep_versions" {
  description = "How many of the newest images are kept; older untagged ones are removed after a month."
  type        = number
  default     = 10

  validation {
    condition     = var.keep_versions >= 1
    error_message = "At least one version must be kept."
  }
}

variable "readers" {
  description = "Members that may pull, such as serviceAccount:NODES@PROJECT.iam.gserviceaccount.com. Cloud Run in the same project needs no entry."
  type        = set(string)
  default     = []
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
  default     = {}
}
