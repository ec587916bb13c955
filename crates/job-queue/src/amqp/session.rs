//! A connection with one channel, opened when it is needed. If either breaks, the next call opens both again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lapin::options::{BasicQosOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection};
use tokio::sync::{Mutex, OnceCell};

use super::connection::Connector;
use super::error;
use super::queue::{Looked, QueueLookup};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;

/// What a channel is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// RabbitMQ confirms each message that is published on it.
    Publish,
    /// RabbitMQ pushes at most this many messages ahead to each consumer on it.
    Consume { prefetch: u16 },
}

/// Opens sessions, one after the other.
#[derive(Debug)]
pub(super) struct Sessions {
    connector: Connector,
    purpose: Purpose,
    current: Mutex<Option<Arc<Session>>>,
    opened: AtomicU64,
}

/// A connection with one channel. What was received on it can be settled on it only.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    /// The number of this session, for receipts.
    pub(super) epoch: u64,
    arguments: OnceCell<Looked>,
}

impl Sessions {
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess, purpose: Purpose) -> Self {
        let name = match purpose {
            Purpose::Publish => "taskoverflow: publisher",
            Purpose::Consume { .. } => "taskoverflow: subscription",
        };
        Self {
            connector: Connector::new(address, access, name),
            purpose,
            current: Mutex::default(),
            opened: AtomicU64::default(),
        }
    }

    /// Returns the open session, or opens another one.
    ///
    /// # Errors
    /// Returns an error if RabbitMQ can't be reached, or refuses the connection.
    pub(super) async fn get(&self) -> Result<Arc<Session>, QueueError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_open()) {
            return Ok(Arc::clone(session));
        }
        *current = None;
        let session = Arc::new(self.open().await?);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Returns the open session, if there is one.
    pub(super) async fn open_one(&self) -> Option<Arc<Session>> {
        let current = self.current.lock().await;
        current
            .as_ref()
            .filter(|session| session.is_open())
            .map(Arc::clone)
    }

    /// Forgets the session, so that the next call opens another.
    pub(super) async fn discard(&self) {
        self.current.lock().await.take();
    }

    /// Closes the session. RabbitMQ then returns to the queue what was received on it and not settled.
    pub(super) async fn close(&self) {
        if let Some(session) = self.current.lock().await.take() {
            session.close().await;
        }
    }

    async fn open(&self) -> Result<Session, QueueError> {
        let connection = self.connector.connect().await?;
        let opening = async {
            let channel = connection.create_channel().await?;
            match self.purpose {
                Purpose::Publish => {
                    channel
                        .confirm_select(ConfirmSelectOptions::default())
                        .await?;
                }
                Purpose::Consume { prefetch } => {
                    channel
                        .basic_qos(prefetch, BasicQosOptions::default())
                        .await?;
                }
            }
            Ok(channel)
        };
        let channel = error::answered(opening).await?;
        let epoch = self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Session {
            connection,
            channel,
            epoch,
            arguments: OnceCell::new(),
        })
    }
}

impl Session {
    fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Closes the connection, after everything that was sent on it.
    async fn close(&self) {
        if let Err(error) = self.connection.close(OK, "OK".into()).await {
            log::debug!(error:%; "the connection to RabbitMQ was closed already");
        }
    }

    /// Returns the arguments of the queue. They never change, and RabbitMQ logs each of the questions as an error of a
    /// client, so each session asks once.
    ///
    /// # Errors
    /// Returns an error if the queue does not exist, or RabbitMQ does not answer.
    pub(super) async fn arguments(&self, queue: &str) -> Result<&Looked, QueueError> {
        let lookup = QueueLookup::new(&self.connection);
        self.arguments
            .get_or_try_init(|| lookup.arguments(queue))
            .await
    }

    /// Returns whether RabbitMQ reads nothing from this connection, because it lacks memory or space on its disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }
}

/// AMQP's code for a connection that is closed in good order.
const OK: u16 = 200;
