output "queue_url" {
  description = "The URL of the job queue, for QUEUE_URL of the API and the worker."
  value       = aws_sqs_queue.jobs.url
}

output "dead_letter_queue_url" {
  description = "The URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.url
}

output "events_topic_arn" {
  description = "The ARN of the topic that is told when a job ends; null unless events_topic is true."
  value       = one(aws_sns_topic.events[*].arn)
}

output "repository_urls" {
  description = "The registry repositories that docker/push pushes images to."
  value       = { for name, repository in aws_ecr_repository.image : name => repository.repository_url }
}

output "release_path" {
  description = "Where docker/push records the images in Parameter Store."
  value       = local.release_path
}

output "allowed_cidrs" {
  description = "The IPv4 ranges from which the API can be called."
  value       = var.allowed_cidrs
}

output "region" {
  description = "The region of all resources."
  value       = var.region
}

output "exports" {
  description = "Shell commands that set AWS_REGION and QUEUE_URL: eval \"$(terraform output -raw exports)\"."
  value       = <<-EOT
    export AWS_REGION=${var.region}
    export QUEUE_URL=${aws_sqs_queue.jobs.url}
  EOT
}

output "api_url" {
  description = "The URL of the API; null until the service runs, and without a load balancer, because the address of the API's task then changes."
  value       = local.public_url
}

output "load_balancer" {
  description = "The host name of the load balancer, for a CNAME record of your domain; null without one."
  value       = one(aws_lb.main[*].dns_name)
}

output "database_host" {
  description = "The host name of the database, which only the tasks can reach."
  value       = one(aws_db_instance.main[*].address)
}
