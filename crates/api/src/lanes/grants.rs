//! Reads what secrets allow.

use std::sync::Arc;

use shared_model::batch_lane::RunBatch;
use shared_model::database::{DatabaseError, Pool};

use crate::authentication::grants::{self, Grant};
use crate::authentication::secret::SecretHash;

/// Looks a batch of secrets up in one statement, so that requests with many different or invalid tokens cost few
/// statements.
#[derive(Debug)]
pub(super) struct FindGrants {
    pub(super) pool: Pool,
}

impl RunBatch<SecretHash, Option<Grant>> for FindGrants {
    async fn run(&self, hashes: Arc<Vec<SecretHash>>) -> Result<Vec<Option<Grant>>, DatabaseError> {
        let find = move |connection: &mut _| grants::find_many(connection, &hashes);
        self.pool.run(find).await
    }
}
