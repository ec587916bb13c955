//! A Kafka for the tests: the server that librdkafka contains for its own tests. It keeps messages in memory.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};

use rdkafka::mocking::MockCluster;

use super::unused_name;

/// The name and the number of partitions of a topic that is to be created, and where to send its URL.
type Order = (String, i32, Sender<String>);

/// Returns the URL of a topic that does not exist, at the server that all tests share.
pub(crate) fn unused() -> String {
    let url = created(1);
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{}", unused_name(""))
}

/// Returns the URL of a new topic.
pub(crate) fn created(partitions: i32) -> String {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, received) = channel();
        // only the thread that has created the server can command it
        std::thread::spawn(move || serve(&received));
        orders
    });
    let (url, returned) = channel();
    orders.send((unused_name(""), partitions, url)).unwrap();
    returned.recv().unwrap()
}

fn serve(orders: &Receiver<Order>) {
    let server = MockCluster::new(1).unwrap();
    for (name, partitions, url) in orders {
        server.create_topic(&name, partitions, 1).unwrap();
        // each topic has a group of its own, because the members of a group wait for each other
        let server = server.bootstrap_servers();
        url.send(format!("kafka://{server}/{name}?group={name}"))
            .unwrap();
    }
}
