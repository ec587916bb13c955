//! The HTTP server: its socket, its limits and its application.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{self, Extensions};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio::net::{TcpSocket, TcpStream};

use crate::observe::observe;
use crate::protection::protect;
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

/// Listens on `address`. Call it within a tokio runtime.
///
/// # Errors
/// Returns an error if the address is in use or does not belong to this machine.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // otherwise a restarted process would have to wait until the connections of its predecessor time out
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Starts to serve the API on `listener`.
///
/// # Errors
/// Returns an error if the listener can't be used.
pub(super) fn serve(listener: TcpListener, api: Arc<Api>) -> std::io::Result<dev::Server> {
    let api = Data::from(api);
    let app = move || {
        // the last middleware is the first to see a request
        App::new()
            .app_data(api.clone())
            .wrap(from_fn(protect))
            .wrap(from_fn(observe))
            .configure(routes::configure)
    };
    let server = HttpServer::new(app)
        .on_connect(remember_local_address)
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
