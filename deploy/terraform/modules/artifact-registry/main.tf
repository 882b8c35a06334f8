resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.location
  repository_id = var.repository
  description   = "Images of gamefill's worker and publisher."
  format        = "DOCKER"
  labels        = var.labels

  docker_config {
    immutable_tags = true # a run names its version; a tag that moves would make that name a lie
  }

  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = var.keep_versions
    }
  }

  cleanup_policies {
    id     = "delete-untagged"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s" # 30 days
    }
  }
}

# Pulling needs this one repository and nothing else of the project.
resource "google_artifact_registry_repository_iam_member" "reader" {
  for_each = var.readers

  project    = var.project
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = each.value
}
