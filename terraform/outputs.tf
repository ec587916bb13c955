output "queue_url" {
  description = "The queue, as QUEUE_URL of both processes."
  value       = aws_sqs_queue.jobs.url
}

output "dead_letter_queue_url" {
  description = "Where messages go that no worker can use."
  value       = aws_sqs_queue.dead_letters.url
}

output "repository_urls" {
  description = "Where docker/push puts the images."
  value       = { for name, repository in aws_ecr_repository.image : name => repository.repository_url }
}

output "region" {
  description = "The region of everything."
  value       = var.region
}

output "exports" {
  description = "For a shell: eval \"$(terraform output -raw exports)\"."
  value       = <<-EOT
    export AWS_REGION=${var.region}
    export QUEUE_URL=${aws_sqs_queue.jobs.url}
  EOT
}

output "api_url" {
  description = "The API's address, once it runs."
  value       = local.public_url
}

output "load_balancer" {
  description = "What a domain's CNAME points at."
  value       = one(aws_lb.main[*].dns_name)
}

output "database_host" {
  description = "The database, which only the tasks reach."
  value       = one(aws_db_instance.main[*].address)
}
