//! The `healthcheck` command: it asks the running process for its health. An image needs it because it has neither a
//! shell nor another HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::StatusCode;

/// The time limit for both requests together. A process needs up to six seconds to report that its database does not
/// answer; Docker and ECS stop a health check after eight seconds (docker/Dockerfile, terraform/ecs.tf).
const TIMEOUT: Duration = Duration::from_secs(7);
/// The response is one line of JSON, but another program may have taken the port.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// Which process is healthy.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Healthcheck {
    /// Check instead whether it is alive and has been ready once, so that a database that is away makes nothing unhealthy
    #[arg(long)]
    pub started: bool,
}

impl Healthcheck {
    /// Returns the paths that a healthy process answers with 200.
    fn paths(self) -> &'static [&'static str] {
        if self.started {
            &["/startedz"]
        } else {
            &["/livez", "/readyz"]
        }
    }
}

/// Asks the process that listens on `listen_addr` for what `healthcheck` wants. Exits with 0 if each answer is a 200, and
/// with 1 otherwise. It prints the reason to stderr, which `docker inspect` and ECS keep.
pub fn run_process(listen_addr: SocketAddr, healthcheck: Healthcheck) -> ExitCode {
    let addr = local_addr(listen_addr);
    let deadline = Instant::now() + TIMEOUT;
    let checked = healthcheck.paths().iter().try_for_each(|path| {
        let url = format!("http://{addr}{path}");
        check(&url, deadline).map_err(|problem| format!("{url}: {problem}"))
    });
    match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Replaces an unspecified address, which can only be listened on, with the loopback address.
fn local_addr(listen_addr: SocketAddr) -> SocketAddr {
    let ip = match listen_addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen_addr.port())
}

fn check(url: &str, deadline: Instant) -> Result<(), String> {
    let (status, body) = get(url, deadline).map_err(|error| match error {
        ureq::Error::Timeout(_) => format!("no answer within {TIMEOUT:?}"),
        error => error.to_string(),
    })?;
    if status == StatusCode::OK {
        Ok(())
    } else {
        Err(format!("{status}: {body}"))
    }
}

fn get(url: &str, deadline: Instant) -> Result<(StatusCode, String), ureq::Error> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(remaining))
        .http_status_as_error(false)
        .max_redirects(0)
        // a proxy from the environment can't reach this machine's own addresses
        .proxy(None)
        .build()
        .into();
    let mut response = agent.get(url).call()?;
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_RESPONSE_BYTES)
        .lossy_utf8(true)
        .read_to_string()?;
    Ok((response.status(), body))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    const READY: Healthcheck = Healthcheck { started: false };
    const STARTED: Healthcheck = Healthcheck { started: true };

    fn serve(answers: Vec<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        addr
    }

    const HEALTHY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    const NOT_READY: &str = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"queue\":\"no such queue\"}";

    #[test]
    fn a_process_that_is_alive_and_ready_is_healthy() {
        let addr = serve(vec![HEALTHY, HEALTHY]);
        assert_eq!(run_process(addr, READY), ExitCode::SUCCESS);
    }

    #[test]
    fn whether_a_process_has_started_is_one_question() {
        // a second question would get no answer
        let addr = serve(vec![HEALTHY]);
        assert_eq!(run_process(addr, STARTED), ExitCode::SUCCESS);
        let addr = serve(vec![NOT_READY]);
        assert_eq!(run_process(addr, STARTED), ExitCode::FAILURE);
        assert_eq!(STARTED.paths(), ["/startedz"]);
    }

    #[test]
    fn a_process_that_is_not_ready_is_unhealthy() {
        let addr = serve(vec![HEALTHY, NOT_READY]);
        assert_eq!(run_process(addr, READY), ExitCode::FAILURE);
    }

    #[test]
    fn the_reason_is_the_status_and_the_body() {
        let url = format!("http://{}/readyz", serve(vec![NOT_READY]));
        let problem = check(&url, Instant::now() + TIMEOUT).unwrap_err();
        assert!(
            problem.contains("503") && problem.contains("no such queue"),
            "{problem}"
        );
    }

    #[test]
    fn a_process_that_does_not_answer_in_time_is_reported() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/livez", silent.local_addr().unwrap());
        let problem = check(&url, Instant::now()).unwrap_err();
        assert!(problem.contains("no answer within 7s"), "{problem}");
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(run_process(addr, READY), ExitCode::FAILURE);
    }

    #[test]
    fn a_process_that_listens_on_all_addresses_is_asked_at_the_loopback_address() {
        let all: SocketAddr = "0.0.0.0:6400".parse().unwrap();
        assert_eq!(local_addr(all).to_string(), "127.0.0.1:6400");
        let all: SocketAddr = "[::]:6400".parse().unwrap();
        assert_eq!(local_addr(all).to_string(), "[::1]:6400");
        let one: SocketAddr = "10.0.0.1:6400".parse().unwrap();
        assert_eq!(local_addr(one), one);
    }
}
