//! Asking a running process how it is, from its own image: which has no shell and no other HTTP client.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// For both questions together. A process whose database is away takes up to six seconds to say so; Docker waits for a
/// health check for eight (docker/Dockerfile), ECS for ten (terraform/ecs.tf).
const PATIENCE: Duration = Duration::from_secs(7);
/// An answer is a line of JSON; a stranger on the port may say anything.
const MAX_ANSWER: u64 = 64 * 1024;

/// Whether the process that listens on `listening` is alive and can work: 0 when both `/livez` and `/readyz` say so,
/// else 1, with the answer on stderr, which `docker inspect` and ECS keep.
pub fn run_process(listening: SocketAddr) -> ExitCode {
    let here = reachable(listening);
    let until = Instant::now() + PATIENCE;
    let asked = ["/livez", "/readyz"].into_iter().try_for_each(|path| {
        ask(here, path, until).map_err(|problem| format!("{here}{path}: {problem}"))
    });
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// "All addresses" is where to listen, not where to call.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

fn ask(addr: SocketAddr, path: &str, until: Instant) -> Result<(), String> {
    let answer = request(addr, path, until).map_err(|error| match error.kind() {
        // as which of the two the system reports it differs
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {PATIENCE:?}")
        }
        _ => error.to_string(),
    })?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status_line = head.lines().next().unwrap_or("");
    if status_line.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(format!("{status_line} {body}"))
    }
}

fn request(addr: SocketAddr, path: &str, until: Instant) -> io::Result<Vec<u8>> {
    // none at all would mean for ever
    let left = until
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&addr, left)?;
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

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

    const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    const NOT_READY: &str = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"queue\":\"no such queue\"}";

    #[test]
    fn a_process_is_well_when_it_lives_and_is_ready() {
        let addr = serve(vec![FINE, FINE]);
        assert_eq!(run_process(addr), ExitCode::SUCCESS);
    }

    #[test]
    fn a_process_that_is_not_ready_is_not_well() {
        let addr = serve(vec![FINE, NOT_READY]);
        assert_eq!(run_process(addr), ExitCode::FAILURE);
    }

    #[test]
    fn the_reason_is_told() {
        let until = Instant::now() + PATIENCE;
        let problem = ask(serve(vec![NOT_READY]), "/readyz", until).unwrap_err();
        assert!(
            problem.contains("503") && problem.contains("no such queue"),
            "{problem}"
        );
    }

    #[test]
    fn no_answer_is_told_in_words() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = silent.local_addr().unwrap();
        let problem = ask(addr, "/livez", Instant::now()).unwrap_err();
        assert!(problem.contains("no answer within 7s"), "{problem}");
    }

    #[test]
    fn nobody_listening_is_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(run_process(addr), ExitCode::FAILURE);
    }

    #[test]
    fn all_addresses_are_asked_at_the_local_one() {
        let all: SocketAddr = "0.0.0.0:6400".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "127.0.0.1:6400");
        let all: SocketAddr = "[::]:6400".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "[::1]:6400");
        let one: SocketAddr = "10.0.0.1:6400".parse().unwrap();
        assert_eq!(reachable(one), one);
    }
}
