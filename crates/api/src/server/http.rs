//! The HTTP server: its socket, its limits and its application.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{self, AppConfig, Extensions};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use super::timed_stream::TimedStream;
use crate::access::authorize;
use crate::admission::admit;
use crate::compression::compress;
use crate::limits::connection::{Connection, ConnectionTimes};
use crate::limits::settings::LimitSettings;
use crate::observe::observe;
use crate::protection::protect;
use crate::request::client;
use crate::request::json_body::BodyLimits;
use crate::request::origin::LocalAddress;
use crate::routes;
use crate::state::Api;

/// How long open requests may continue after the shutdown begins. Orchestrators kill a process after 30 seconds.
const DRAIN_TIMEOUT_SECONDS: u64 = 20;
/// How long an idle connection stays open. Load balancers close theirs after 60 seconds, so they never send a request
/// into a connection that the server is closing. A connection on which the rest of a refused body arrived is the exception.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long the server reads what a client still sends after a response that does not await its body. If the server closed
/// the connection earlier, the client might not see the response.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How many connections may wait to be accepted. With the standard library's 128, clients of a burst would have to retry
/// after a second.
const BACKLOG: u32 = 2048;

/// Listens on `address`. A connection is closed when its client has read nothing for `stall_timeout` although there is
/// something to read. Call it within a tokio runtime.
///
/// # Errors
/// Returns an error if the address is in use or does not belong to this machine.
pub(super) fn listen(address: SocketAddr, stall_timeout: Duration) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // otherwise a restarted process would have to wait until the connections of its predecessor time out
    socket.set_reuseaddr(true)?;
    // connections inherit it
    #[cfg(target_os = "linux")]
    SockRef::from(&socket).set_tcp_user_timeout(Some(stall_timeout))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Starts to serve the API on `listener`. This is what [`actix_web::HttpServer`] does, with sockets that have a time limit.
///
/// # Errors
/// Returns an error if the listener can't be used.
pub(super) fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    limits: &LimitSettings,
) -> std::io::Result<dev::Server> {
    let body_limits = BodyLimits {
        timeout: limits.body_timeout,
        ..BodyLimits::default()
    };
    let header_timeout = limits.header_timeout;
    let times = ConnectionTimes {
        idle: KEEP_ALIVE + header_timeout,
        headers: header_timeout,
        response: limits.send_timeout,
    };
    let api = Data::from(api);
    let builder = dev::Server::build();
    let stopping = builder.graceful_shutdown_signal();
    // runs once on each thread
    let service = move || {
        // the last middleware is the first to see a request
        let app = App::new()
            .app_data(api.clone())
            .app_data(body_limits)
            .wrap(from_fn(compress))
            .wrap(from_fn(authorize))
            .wrap(from_fn(protect))
            .wrap(from_fn(admit))
            .wrap(from_fn(observe))
            .configure(routes::configure);
        let api = api.clone();
        let stopping = stopping.clone();
        let http = HttpService::build()
            .client_request_timeout(header_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(describe)
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream| ready(accept(&api, times, stream))).and_then(http)
    };
    let builder = builder
        .shutdown_timeout(DRAIN_TIMEOUT_SECONDS)
        .disable_signals()
        .listen("http", listener, service)?;
    Ok(builder.run())
}

/// Finds a place for a new connection. Without one, the connection is closed at once.
fn accept(
    api: &Api,
    times: ConnectionTimes,
    stream: TcpStream,
) -> Result<(TimedStream, Protocol, Option<SocketAddr>), DispatchError> {
    let too_many = || std::io::Error::other("too many connections");
    let peer = stream.peer_addr()?;
    let client = client::connected(peer.ip(), api.trust_proxy);
    let place = api.limits.connect(client.as_ref()).ok_or_else(too_many)?;
    stream.set_nodelay(true)?;
    let stream = TimedStream::new(stream, Connection::new(place, times));
    Ok((stream, Protocol::Http1, Some(peer)))
}

/// Adds what requests need to know of their connection.
fn describe(stream: &TimedStream, data: &mut Extensions) {
    data.insert(Rc::clone(stream.connection()));
    // without it, a loopback address is used
    if let Ok(address) = stream.local_addr() {
        data.insert(LocalAddress::from(address));
    }
}
