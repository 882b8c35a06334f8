variable "project" {
  description = "Project that owns the topics and subscriptions: PROJECT in GAMEFILL_QUEUE=pubsub://PROJECT/TOPIC."
  type        = string
}

variable "topic" {
  description = "Topic that carries one message per game date: TOPIC in GAMEFILL_QUEUE. The other three names follow from it, as in the programs."
  type        = string
  default     = "gamefill-dates"

  validation {
    condition     = can(regex("^[A-Za-z][-A-Za-z0-9_.~+%]{2,240}$", var.topic)) && !startswith(var.topic, "goog")
    error_message = "A topic is 3 to 241 letters, digits or -_.~+%, begins with a letter and not with goog; 14 characters are kept for the suffixes."
  }
}

variable "labels" {
  description = "Labels of all four resources."
  type        = map(string)
  default     = {}
}
