# The topic that is told when a job ends (docs/events.md). Not encrypted, like that of the alarms: the events contain no
# personal data, and with an AWS managed key, neither other accounts nor other services could subscribe or publish.
resource "aws_sns_topic" "events" {
  count = var.events_topic ? 1 : 0

  name       = "${var.name}-events${local.suffix}"
  fifo_topic = var.fifo
}

resource "aws_sns_topic_policy" "events" {
  count = var.events_topic ? 1 : 0

  arn = aws_sns_topic.events[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # As in the policy that a topic has by default.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action    = ["sns:Subscribe", "sns:Publish", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"]
        Resource  = aws_sns_topic.events[0].arn
        Condition = { StringEquals = { "AWS:SourceOwner" = local.account } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.events[0].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
