terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }
}

provider "google" {
  project = var.project
  # A user's own credentials name no project to count calls on; Billing Budgets insists on one.
  billing_project       = var.project
  user_project_override = true
}
