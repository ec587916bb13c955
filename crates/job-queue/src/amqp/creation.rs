//! How an operator creates a queue.

use serde_json::{Value, json};

/// Returns a command that creates a queue and the queue for its dead letters. It needs no plugin of RabbitMQ.
pub(super) fn create_command(vhost: &str, queue: &str) -> String {
    let dead = format!("{queue}.dead");
    let definitions = json!({"queues": [
        definition(vhost, queue, &json!({
            "x-queue-type": "quorum",
            "x-delivery-limit": 100,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        })),
        definition(vhost, &dead, &json!({"x-queue-type": "quorum"})),
    ]});
    format!("echo '{definitions}' | rabbitmqctl import_definitions")
}

fn definition(vhost: &str, queue: &str, arguments: &Value) -> Value {
    json!({
        "vhost": vhost,
        "name": queue,
        "durable": true,
        "auto_delete": false,
        "arguments": arguments,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_creates_both_queues_in_the_virtual_host() {
        let command = create_command("shop", "ical");
        for part in [
            r#""name":"ical""#,
            r#""name":"ical.dead""#,
            r#""vhost":"shop""#,
        ] {
            assert!(command.contains(part), "{command}");
        }
    }
}
