//! Events reach the SQS queues that subscribe to a topic, and only those that their filter policies let through.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::QueueAttributeName;
use local_services::sqs::{LocalSqs, REGION};
use serde_json::Value;
use sns_client::{Message, Topic};

/// A topic, and clients of the services around it.
struct Setup {
    config: SdkConfig,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
    topic_arn: String,
}

impl Setup {
    /// Creates a topic with this name.
    async fn new(topic: &str) -> Self {
        let credentials = Credentials::new("local", "local", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(LocalSqs::shared().endpoint_url())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(sqs_client::config::https())
            .build();
        let sns = aws_sdk_sns::Client::new(&config);
        let create = sns.create_topic().name(topic);
        let create = if topic.strip_suffix(".fifo").is_some() {
            create.attributes("FifoTopic", "true")
        } else {
            create
        };
        Self {
            topic_arn: create.send().await.unwrap().topic_arn.unwrap(),
            sqs: sqs_client::config::client(&config, 1),
            sns,
            config,
        }
    }

    fn topic(&self, address: &str) -> Topic {
        Topic::new(
            &self.config,
            address.parse().unwrap(),
            Duration::from_secs(15),
        )
    }

    /// Creates a queue that subscribes to the topic with this filter policy, and returns its URL.
    async fn subscribe(&self, queue: &str, filter: Option<&str>) -> String {
        let create = self.sqs.create_queue().queue_name(queue);
        let create = if queue.strip_suffix(".fifo").is_some() {
            create.attributes(QueueAttributeName::FifoQueue, "true")
        } else {
            create
        };
        let url = create.send().await.unwrap().queue_url.unwrap();
        let attributes = self.sqs.get_queue_attributes().queue_url(&url);
        let attributes = attributes.attribute_names(QueueAttributeName::QueueArn);
        let attributes = attributes.send().await.unwrap().attributes.unwrap();
        let subscribe = self
            .sns
            .subscribe()
            .topic_arn(&self.topic_arn)
            .protocol("sqs")
            .endpoint(&attributes[&QueueAttributeName::QueueArn])
            .attributes("RawMessageDelivery", "true");
        let subscribe = match filter {
            Some(filter) => subscribe.attributes("FilterPolicy", filter),
            None => subscribe,
        };
        subscribe.send().await.unwrap();
        url
    }

    /// Returns the `n` of each message that has arrived, with its attribute `task_status`.
    async fn received(&self, url: &str) -> Vec<(i64, String)> {
        let mut received = Vec::new();
        loop {
            let call = self.sqs.receive_message().queue_url(url);
            let call = call
                .message_attribute_names("All")
                .max_number_of_messages(10);
            let messages = call.wait_time_seconds(1).send().await.unwrap().messages;
            let messages = messages.unwrap_or_default();
            if messages.is_empty() {
                return received;
            }
            for message in messages {
                let body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
                let attributes = message.message_attributes().unwrap();
                let status = attributes["task_status"].string_value().unwrap();
                received.push((body["n"].as_i64().unwrap(), status.to_owned()));
                let delete = self.sqs.delete_message().queue_url(url);
                let receipt = message.receipt_handle().unwrap();
                delete.receipt_handle(receipt).send().await.unwrap();
            }
        }
    }

    /// Returns the `n` of each message that has arrived.
    async fn numbers(&self, url: &str) -> Vec<i64> {
        let received = self.received(url).await;
        received.into_iter().map(|(n, _)| n).collect()
    }
}

fn message(n: i64, status: &str) -> Message {
    Message {
        body: format!("{{\"n\":{n}}}"),
        attributes: vec![
            ("type", "job.x".to_owned()),
            ("task_status", status.to_owned()),
        ],
        group: "job".to_owned(),
        deduplication_id: n.to_string(),
    }
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn a_queue_gets_the_events_that_its_filter_policy_lets_through() {
    let setup = Setup::new("ends").await;
    let all = setup.subscribe("all", None).await;
    let failures = setup
        .subscribe("failures", Some("{\"task_status\": [\"FAILURE\"]}"))
        .await;
    for (n, address) in [(1, "sns://ends"), (2, setup.topic_arn.as_str())] {
        let topic = setup.topic(address);
        let both = vec![message(n, "SUCCESS"), message(n + 10, "FAILURE")];
        assert_eq!(topic.publish(both).await, [Ok(()), Ok(())]);
    }
    let mut everything = setup.numbers(&all).await;
    everything.sort_unstable();
    assert_eq!(everything, [1, 2, 11, 12]);
    let mut filtered = setup.received(&failures).await;
    filtered.sort_unstable();
    assert_eq!(
        filtered,
        [(11, "FAILURE".to_owned()), (12, "FAILURE".to_owned())]
    );
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn a_fifo_topic_delivers_an_event_that_is_sent_twice_once() {
    let setup = Setup::new("ordered.fifo").await;
    let queue = setup.subscribe("ordered.fifo", None).await;
    let topic = setup.topic("sns://ordered.fifo");
    for n in [1, 2, 2, 3, 1] {
        let published = topic.publish(vec![message(n, "SUCCESS")]).await;
        assert_eq!(published, [Ok(())]);
    }
    assert_eq!(setup.numbers(&queue).await, [1, 2, 3]);
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn more_messages_than_a_request_can_carry_all_arrive() {
    let setup = Setup::new("many").await;
    let queue = setup.subscribe("many", None).await;
    let messages = (0..25).map(|n| message(n, "SUCCESS")).collect();
    let published = setup.topic("sns://many").publish(messages).await;
    assert_eq!(published, vec![Ok(()); 25]);
    let mut numbers = setup.numbers(&queue).await;
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..25));
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn a_message_that_is_refused_does_not_stop_the_others_of_its_request() {
    let setup = Setup::new("strict.fifo").await;
    let queue = setup.subscribe("strict.fifo", None).await;
    let mut messages: Vec<_> = (1..=3).map(|n| message(n, "SUCCESS")).collect();
    // a FIFO topic requires a group
    messages[1].group = String::new();
    let published = setup.topic("sns://strict.fifo").publish(messages).await;
    assert_eq!((&published[0], &published[2]), (&Ok(()), &Ok(())));
    let refused = published[1].as_ref().unwrap_err().to_string();
    assert!(refused.contains("MessageGroupId"), "{refused}");
    assert_eq!(setup.numbers(&queue).await, [1, 3]);
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn a_message_that_is_too_large_does_not_stop_the_others() {
    let setup = Setup::new("large").await;
    let queue = setup.subscribe("large", None).await;
    let mut messages: Vec<_> = (1..=3).map(|n| message(n, "SUCCESS")).collect();
    messages[1].body = " ".repeat(256 * 1024);
    let published = setup.topic("sns://large").publish(messages).await;
    assert_eq!((&published[0], &published[2]), (&Ok(()), &Ok(())));
    let refused = published[1].as_ref().unwrap_err().to_string();
    assert!(refused.contains("too long"), "{refused}");
    let mut numbers = setup.numbers(&queue).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3]);
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn a_topic_that_does_not_exist_is_named_with_what_to_do() {
    let setup = Setup::new("other").await;
    let arn = setup.topic_arn.replace("other", "nowhere");
    for address in ["sns://nowhere", &arn] {
        let messages = vec![message(1, "SUCCESS"), message(2, "SUCCESS")];
        for result in setup.topic(address).publish(messages).await {
            let text = result.unwrap_err().to_string();
            assert!(
                text.contains(address) && text.contains("check EVENTS_URL"),
                "{text}"
            );
        }
    }
}
