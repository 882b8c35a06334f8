output "policies" {
  description = "Resource names of the alert policies by alert."
  value = merge(
    { for name, policy in google_monitoring_alert_policy.run : name => policy.name },
    { unread-queue = google_monitoring_alert_policy.unread.name },
  )
}
