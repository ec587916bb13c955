//! The connection to PostgreSQL: its settings, a pool of connections, and the only function that runs blocking queries.

mod clock;
mod config;
mod connector;
mod error;
mod in_order;
mod pool;
mod prepared;
mod session;
mod tls;
mod url;

pub use clock::now;
pub use config::DatabaseConfig;
pub(crate) use connector::{ConnectError, is_wrong_password};
pub use error::DatabaseError;
pub(crate) use in_order::in_order_of_index;
pub use pool::Pool;
pub use prepared::{Prepared, prepared};
pub use secret::Secret;
pub(crate) use tls::explain as explain_tls;
pub use url::{DatabaseUrl, InvalidDatabaseUrl};
