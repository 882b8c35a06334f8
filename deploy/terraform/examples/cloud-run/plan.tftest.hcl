# `make terraform`: plans the example as Terraform's mock of the provider answers. No project and no account are needed.

mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email  = "account@my-project.iam.gserviceaccount.com"
      member = "serviceAccount:account@my-project.iam.gserviceaccount.com"
      name   = "projects/my-project/serviceAccounts/account@my-project.iam.gserviceaccount.com"
    }
  }
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project = "my-project"
}

run "before_the_image" {
  command = plan

  assert {
    condition     = length(module.workers) == 0 && output.autoscaler_account == null
    error_message = "A worker pool without an image."
  }

  assert {
    condition     = output.repository == "us-central1-docker.pkg.dev/my-project/gamefill"
    error_message = "The image is pushed to another repository."
  }

  assert {
    condition     = output.queue == "pubsub://my-project/gamefill-dates" && output.ledger == "firestore://my-project/gamefill"
    error_message = "The addresses are not those of what is made."
  }
}

run "everything" {
  command = plan

  variables {
    image                  = "us-central1-docker.pkg.dev/my-project/gamefill/gamefill:0.1.0"
    fleet                  = 5
    create_table           = true
    add_aliases            = true
    operator_may_roll_back = true
    notify_webhook         = { secret = "gamefill-webhook", version = "1" }
    otlp_endpoint          = "http://collector:4318"
    billing_account        = "012345-6789AB-CDEF01"
    notification_channels  = ["projects/my-project/notificationChannels/1"]
  }

  assert {
    condition     = length(module.workers) == 1 && length(module.budget) == 1
    error_message = "The worker pool or the budget is missing."
  }

  assert {
    condition     = endswith(output.warehouse, "&fleet=5")
    error_message = "The workers divide the load limit by another number."
  }
}
