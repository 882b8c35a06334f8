output "repository" {
  description = "Prefix of image names: push REPOSITORY/gamefill:TAG."
  value       = "${var.location}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}
