variable "project" {
  description = "Project whose metrics are watched, and that the policies belong to."
  type        = string
}

variable "subscription" {
  description = "Name of the workers' subscription."
  type        = string
}

variable "notification_channels" {
  description = "Channels that are told, as projects/PROJECT/notificationChannels/ID. Empty: incidents show in the console alone."
  type        = list(string)
  default     = []
}

variable "runbooks" {
  description = "Address of the folder docs/runbooks where operators read it; each alert links its page there, named as the alert. Empty: no link."
  type        = string
  default     = ""

  validation {
    condition     = var.runbooks == "" || can(regex("^https://.*[^/]$", var.runbooks))
    error_message = "An https address without a slash at its end."
  }
}

variable "eta_hours" {
  description = "A run that would take longer than this from now is slow, in hours."
  type        = number
  default     = 12

  validation {
    condition     = var.eta_hours > 0
    error_message = "More than 0 hours."
  }
}

variable "silence_minutes" {
  description = "How long dates may wait with none finishing, in minutes. Above the longest date and one wait between attempts, 10 minutes."
  type        = number
  default     = 20

  validation {
    condition     = var.silence_minutes >= 15
    error_message = "At least 15 minutes."
  }
}
