# A FIFO queue.

mock_provider "aws" {
  source = "./tests/mocks"
}

override_resource {
  target = aws_sqs_queue.dead_letters
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:taskoverflow-ical-dead-letters"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical-dead-letters"
  }
}

override_resource {
  target = aws_sqs_queue.jobs
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:taskoverflow-ical"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical"
  }
}


run "fifo" {
  command = apply

  variables {
    fifo      = true
    image_tag = "0123456789ab"
  }

  assert {
    condition     = aws_sqs_queue.jobs.name == "taskoverflow-ical.fifo" && aws_sqs_queue.dead_letters.name == "taskoverflow-ical-dead-letters.fifo"
    error_message = "SQS wants the suffix, and a dead-letter queue of the same type."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] :
      queue.fifo_queue && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"
    ])
    error_message = "High throughput, because every job is a group."
  }

  assert {
    condition     = aws_sqs_queue.jobs.content_based_deduplication != true
    error_message = "The publisher says what a duplicate is; equal jobs are none."
  }
}
