//! One run of ActiveMQ Classic, which only speaks STOMP here.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use installed::ActiveMq;

use super::Setup;
use crate::child_guard::ChildGuard;
use crate::error::{Error, io_error};
use crate::waiting::wait_until;

/// How long a server may take to stop: it closes its store.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// The user of the local server, who may do everything. It admits nobody else, so that a wrong password is refused as by
/// a real server.
pub(super) const USER: &str = "local";
/// The user's password. It protects nothing: the server only listens on this machine.
pub(super) const PASSWORD: &str = "local";

/// The one setting of `Setup::settings`: `authorizationEntry` elements, which say what the user may do. Without it, the user
/// may do everything.
const PERMISSIONS: &str = "permissions";

/// How long a start may take. It is usually 2 s, and several times that beside other tests.
const READY: Duration = Duration::from_mins(2);
/// How long an answer of the server may take.
const ANSWER: Duration = Duration::from_secs(5);

const MISSING: &str = "ActiveMQ was not found: install it (Debian: apt-get install activemq), or use a server that is \
    already running: stomp://USER:PASSWORD@HOST/QUEUE";

/// Starts the server and waits until it answers. Returns nothing if it ends before that. It creates a queue when a message
/// is sent to it.
pub(super) fn launch(setup: &Setup, port: u16) -> Result<Option<Vec<ChildGuard>>, Error> {
    let mut server = spawn(&program(installed::activemq())?, setup, port)?;
    let is_ready = wait_until(READY, || match server.try_wait() {
        Ok(Some(_)) => Ok(Some(false)),
        Ok(None) => Ok(is_answering(port).then_some(true)),
        Err(error) => Err(io_error("watch ActiveMQ")(error)),
    })?;
    Ok((is_ready == Some(true)).then(|| vec![server]))
}

fn program(found: Option<ActiveMq>) -> Result<ActiveMq, Error> {
    found.ok_or_else(|| Error::NotInstalled(MISSING.to_owned()))
}

fn spawn(program: &ActiveMq, setup: &Setup, port: u16) -> Result<ChildGuard, Error> {
    let dir = &setup.dir;
    let temporary = dir.join("tmp");
    let config = dir.join("broker.xml");
    let permissions = setup.settings.iter().find(|(name, _)| name == PERMISSIONS);
    let permissions = permissions.map(|(_, entries)| entries.as_str());
    fs::create_dir_all(&temporary)
        .and_then(|()| fs::write(&config, broker(dir, port, permissions)))
        .map_err(io_error(format!("write {}", config.display())))?;
    let mut command = setup.policy.command(&program.java);
    // The first compiler only: the server starts in half the time.
    command.args(["-XX:TieredStopAtLevel=1", "-Xmx256m"]);
    for (name, path) in [
        ("java.io.tmpdir", temporary.as_path()),
        ("activemq.home", &program.home),
        ("activemq.base", dir),
        ("activemq.conf", dir),
        ("activemq.data", dir),
    ] {
        command.arg(format!("-D{name}={}", path.display()));
    }
    command
        .arg("-jar")
        .arg(program.home.join("bin/activemq.jar"))
        // Relative to the folder, because the rest of a URL would have to be escaped.
        .args(["start", "xbean:file:broker.xml"])
        .current_dir(dir)
        .stdout(setup.output()?)
        .stderr(setup.output()?);
    setup
        .policy
        .spawn(command)
        .map_err(io_error("start ActiveMQ"))
}

/// Returns the server's configuration: everything on disk before it is confirmed, a dead-letter queue `DLQ.NAME` for each
/// queue, one user, one port, no management.
fn broker(dir: &Path, port: u16, permissions: Option<&str>) -> String {
    let dir = escape(&dir.display().to_string());
    let authorization = permissions.map_or_else(String::new, |entries| {
        format!(
            "<authorizationPlugin><map><authorizationMap><authorizationEntries>{entries}</authorizationEntries>\
             </authorizationMap></map></authorizationPlugin>"
        )
    });
    format!(
        r#"<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
    http://www.springframework.org/schema/beans/spring-beans.xsd
    http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="local" dataDirectory="{dir}" useJmx="false"
      advisorySupport="false">
    <destinationPolicy><policyMap><policyEntries>
      <policyEntry queue="&gt;"><deadLetterStrategy>
        <individualDeadLetterStrategy queuePrefix="DLQ." useQueueForQueueMessages="true"/>
      </deadLetterStrategy></policyEntry>
    </policyEntries></policyMap></destinationPolicy>
    <persistenceAdapter><kahaDB directory="{dir}/kahadb"/></persistenceAdapter>
    <plugins>
      <simpleAuthenticationPlugin><users>
        <authenticationUser username="{USER}" password="{PASSWORD}" groups="local"/>
      </users></simpleAuthenticationPlugin>
      {authorization}
    </plugins>
    <systemUsage><systemUsage>
      <memoryUsage><memoryUsage limit="64 mb"/></memoryUsage>
      <storeUsage><storeUsage limit="1 gb"/></storeUsage>
      <tempUsage><tempUsage limit="256 mb"/></tempUsage>
    </systemUsage></systemUsage>
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://127.0.0.1:{port}?transport.tcpNoDelay=true"/>
    </transportConnectors>
  </broker>
</beans>
"#
    )
}

/// Returns a text as the value of an XML attribute.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match character {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a string can't fail.
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            character => escaped.push(character),
        }
        escaped
    })
}

fn is_answering(port: u16) -> bool {
    ask(port).is_ok_and(|answer| answer == "CONNECTED")
}

/// Logs in, and returns the first line of the answer.
fn ask(port: u16) -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(ANSWER))?;
    write!(
        connection,
        "CONNECT\naccept-version:1.2\nlogin:{USER}\npasscode:{PASSWORD}\n\n\0"
    )?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;
    use crate::brokers::{BrokerKind, LocalBroker};

    #[test]
    fn a_missing_activemq_is_reported_with_the_ways_to_get_one() {
        let error = program(None).unwrap_err();
        assert!(
            matches!(&error, Error::NotInstalled(text) if text.contains("apt-get install activemq"))
        );
    }

    #[test]
    fn a_path_of_an_activemq_server_is_escaped() {
        assert_eq!(escape(r#"/a b/<"&>"#), "/a b/&#60;&#34;&#38;&#62;");
    }

    #[test]
    #[ignore = "needs activemq"]
    fn an_activemq_server_starts_again_after_it_was_killed_or_stopped() {
        let mut broker = LocalBroker::private(BrokerKind::ActiveMq, &[]).unwrap();
        let port = broker.port();
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            broker.stop(signal).unwrap();
            assert!(!is_answering(port));
            broker.start_again().unwrap();
            assert_eq!(broker.port(), port);
            assert!(is_answering(port));
        }
        assert_eq!(broker.exit_status(), None);
    }

    #[test]
    #[ignore = "needs activemq"]
    fn an_activemq_server_that_cannot_start_shows_its_log() {
        let settings = [(PERMISSIONS, "<nonsense/>")];
        let error = LocalBroker::private(BrokerKind::ActiveMq, &settings).unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }
}
