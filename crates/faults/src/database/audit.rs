//! The audit log: every change of a job and of a result, written by triggers that no process can avoid.

use diesel::connection::SimpleConnection;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Double, Integer, Text};
use diesel::{PgConnection, RunQueryDsl};
use shared_model::job::JobStatus;
use uuid::Uuid;

use super::Database;

/// Records every change of a job that a client can see, and every change of a result, in order.
const TRIGGERS: &str = "
    CREATE TABLE audit_jobs (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        job_id uuid NOT NULL, status text, version bigint, generation integer, attempt integer);
    CREATE TABLE audit_results (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        job_id uuid NOT NULL, operation text NOT NULL, sha256 bytea);
    CREATE FUNCTION audit_job() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit_jobs (job_id, status, version, generation, attempt)
        VALUES (NEW.id, NEW.status, NEW.version, NEW.generation, NEW.attempt);
        RETURN NULL;
    END $$;
    CREATE FUNCTION audit_result() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO audit_results (job_id, operation, sha256) VALUES (OLD.job_id, TG_OP, OLD.sha256);
        ELSE
            INSERT INTO audit_results (job_id, operation, sha256) VALUES (NEW.job_id, TG_OP, NEW.sha256);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit_insert AFTER INSERT ON calendar_jobs FOR EACH ROW EXECUTE FUNCTION audit_job();
    CREATE TRIGGER audit_update AFTER UPDATE ON calendar_jobs FOR EACH ROW
        WHEN ((NEW.status, NEW.version, NEW.generation, NEW.attempt)
              IS DISTINCT FROM (OLD.status, OLD.version, OLD.generation, OLD.attempt)) EXECUTE FUNCTION audit_job();
    CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON calendar_results FOR EACH ROW EXECUTE FUNCTION audit_result();
";

/// A change of a job.
#[derive(Debug, Clone, QueryableByName)]
pub struct JobChange {
    /// The job.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub job_id: Uuid,
    /// Its new status.
    #[diesel(sql_type = Text)]
    pub status: JobStatus,
    /// Its new version.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// Its new generation.
    #[diesel(sql_type = Integer)]
    pub generation: i32,
    /// Its new attempt.
    #[diesel(sql_type = Integer)]
    pub attempt: i32,
    /// The time of the change, in seconds since 1970.
    #[diesel(sql_type = Double)]
    pub at: f64,
}

/// A change of a result.
#[derive(Debug, Clone, QueryableByName)]
pub struct ResultChange {
    /// The job.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub job_id: Uuid,
    /// INSERT, UPDATE or DELETE.
    #[diesel(sql_type = Text)]
    pub operation: String,
}

/// Starts the audit log of a migrated database.
pub(super) fn start(connection: &mut PgConnection) -> anyhow::Result<()> {
    Ok(connection.batch_execute(TRIGGERS)?)
}

impl Database {
    /// Returns every change of every job. The changes of one job are adjacent and in order.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn job_changes(&self) -> anyhow::Result<Vec<JobChange>> {
        self.run(|connection| {
            let query = "SELECT job_id, status, version, generation, attempt, extract(epoch FROM at)::float8 AS at
                         FROM audit_jobs ORDER BY job_id, seq";
            Ok(diesel::sql_query(query).load(connection)?)
        })
        .await
    }

    /// Returns every change of every result, in order.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn result_changes(&self) -> anyhow::Result<Vec<ResultChange>> {
        self.run(|connection| {
            let query = "SELECT job_id, operation FROM audit_results ORDER BY seq";
            Ok(diesel::sql_query(query).load(connection)?)
        })
        .await
    }
}
