# A FIFO queue.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  allowed_cidrs = ["203.0.113.0/24"]
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
    fifo         = true
    events_topic = true
  }

  assert {
    condition     = aws_sns_topic.events[0].name == "taskoverflow-events.fifo" && aws_sns_topic.events[0].fifo_topic
    error_message = "The topic of a FIFO deployment must be a FIFO topic, so that the events of a job stay in order."
  }

  assert {
    condition     = aws_sqs_queue.jobs.name == "taskoverflow-ical.fifo" && aws_sqs_queue.dead_letters.name == "taskoverflow-ical-dead-letters.fifo"
    error_message = "The names of both queues must end in .fifo, because SQS requires the suffix and a dead-letter queue of the same type."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] :
      queue.fifo_queue && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"
    ])
    error_message = "Both queues must use high-throughput FIFO, because every job is a message group."
  }

  assert {
    condition     = aws_sqs_queue.jobs.content_based_deduplication != true
    error_message = "Content-based deduplication must be off: the publisher sets the deduplication IDs, and jobs with equal content are not duplicates."
  }
}
