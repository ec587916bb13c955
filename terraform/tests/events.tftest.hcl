# A topic that is told when a job ends.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  allowed_cidrs = ["203.0.113.0/24"]
}

override_resource {
  target = aws_sns_topic.events
  values = {
    arn = "arn:aws:sns:us-east-1:123456789012:taskoverflow-events"
  }
}

run "without_the_variable_there_is_no_topic" {
  command = apply

  assert {
    condition     = length(aws_sns_topic.events) == 0 && output.events_topic_arn == null
    error_message = "By default there must be no topic."
  }

  assert {
    condition     = !strcontains(aws_ecs_task_definition.task["api"].container_definitions, "EVENTS_URL") && !strcontains(aws_iam_role_policy.task["api"].policy, "sns:")
    error_message = "By default the API must neither publish events nor be allowed to."
  }
}

run "the_api_publishes_to_the_topic_and_the_worker_can_not" {
  command = apply

  variables {
    events_topic = true
  }

  assert {
    condition     = aws_sns_topic.events[0].name == "taskoverflow-events" && output.events_topic_arn == aws_sns_topic.events[0].arn
    error_message = "The topic has the wrong name, or the output the wrong ARN."
  }

  assert {
    condition     = strcontains(aws_ecs_task_definition.task["api"].container_definitions, "\"arn:aws:sns:us-east-1:123456789012:taskoverflow-events\"")
    error_message = "The API must know the topic."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task["api"].policy).Statement : statement.Resource if contains(statement.Action, "sns:Publish")
    ] == [aws_sns_topic.events[0].arn]
    error_message = "The API must be able to publish to this topic only."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.task["worker"].policy, "sns:")
    error_message = "The worker must not be able to publish."
  }
}
