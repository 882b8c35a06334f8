variable "project" {
  description = "Project whose cost is watched."
  type        = string
}

variable "billing_account" {
  description = "Billing account that pays for the project, as 000000-000000-000000. Making a budget needs roles/billing.costsManager on it."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account is three groups of six hexadecimal digits."
  }
}

variable "units" {
  description = "Amount for a month, in whole units of the account's currency."
  type        = number

  validation {
    condition     = var.units >= 1 && var.units == floor(var.units)
    error_message = "A whole number, at least 1."
  }
}

variable "thresholds" {
  description = "Shares of the amount that send a notification, as ratios: 0.5 is one half. A budget informs; it stops nothing."
  type        = list(number)
  default     = [0.5, 0.9, 1.0]

  validation {
    condition     = alltrue([for share in var.thresholds : share > 0])
    error_message = "Thresholds are ratios above 0."
  }
}

variable "notification_channels" {
  description = "Monitoring channels that are told, as projects/PROJECT/notificationChannels/ID; at most five. Empty: the account's billing administrators alone."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.notification_channels) <= 5
    error_message = "The service takes at most five channels."
  }
}
