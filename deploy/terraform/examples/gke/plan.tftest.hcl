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

run "by_default" {
  command = plan

  assert {
    condition     = output.repository == "us-central1-docker.pkg.dev/my-project/gamefill"
    error_message = "The image is pushed to another repository."
  }
}

run "everything" {
  command = plan

  variables {
    fleet                  = 5
    create_table           = true
    add_aliases            = true
    operator_may_roll_back = true
    image_readers          = ["serviceAccount:nodes@my-project.iam.gserviceaccount.com"]
    metrics_readers        = { frontend = { namespace = "monitoring", name = "default" } }
    billing_account        = "012345-6789AB-CDEF01"
    notification_channels  = ["projects/my-project/notificationChannels/1"]
  }

  assert {
    condition     = length(module.budget) == 1 && endswith(output.warehouse, "&fleet=5")
    error_message = "The budget is missing, or the workers divide the load limit by another number."
  }
}
