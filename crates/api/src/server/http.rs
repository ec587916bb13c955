//! The HTTP server: its socket, its limits and its application.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{self, Extensions};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::access::authorize;
use crate::admission::{ConnectionSlot, admit};
use crate::limits::settings::LimitSettings;
use crate::observe::observe;
use crate::protection::protect;
use crate::request::json_body::BodyTimeout;
use crate::request::origin::LocalAddress;
use crate::routes;
use crate::state::Api;

/// How long open requests may continue after the shutdown begins. Orchestrators kill a process after 30 seconds.
const DRAIN_TIMEOUT_SECONDS: u64 = 20;
/// How long an idle connection stays open. Load balancers close theirs after 60 seconds, so they never send a request
/// into a connection that the server is closing.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
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

/// Starts to serve the API on `listener`.
///
/// # Errors
/// Returns an error if the listener can't be used.
pub(super) fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    limits: &LimitSettings,
) -> std::io::Result<dev::Server> {
    let body_timeout = BodyTimeout(limits.body_timeout);
    let api = Data::from(api);
    let shared = Arc::clone(&api);
    let app = move || {
        // the last middleware is the first to see a request
        App::new()
            .app_data(api.clone())
            .app_data(body_timeout)
            .wrap(from_fn(authorize))
            .wrap(from_fn(protect))
            .wrap(from_fn(admit))
            .wrap(from_fn(observe))
            .configure(routes::configure)
    };
    let server = HttpServer::new(app)
        .on_connect(move |connection, data| {
            remember_local_address(connection, data);
            data.insert(ConnectionSlot(shared.limits.connections.take()));
        })
        .client_request_timeout(limits.header_timeout)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        .shutdown_timeout(DRAIN_TIMEOUT_SECONDS)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

fn remember_local_address(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<TcpStream>();
    // without it, the address on which the server listens is used
    if let Some(address) = stream.and_then(|stream| stream.local_addr().ok()) {
        data.insert(LocalAddress::from(address));
    }
}
