//! Connections: how many there are at once, how long each may take over what, and their end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use orion_model::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::access::{Access, Asker, Guard, Refused};
use crate::desk::Desk;
use crate::hook::{Hook, Peer};
use crate::host::Host;
use crate::listen::Listener;
use crate::patience::Patient;
use crate::problem::Problem;
use crate::router::router;
use crate::tls::Tls;

/// Connections at once. A thousand listeners, and some that ask; each costs a few kilobytes. Whoever comes then waits in the queue
/// of the system.
const MAX_CONNECTIONS: usize = 1_024;

/// How long a client has for the head of its request, and how long a connection may lie idle.
const HEAD_SECONDS: u64 = 30;

/// How large the head of a request may be: enough for a long filter and a token, little enough to be held a thousand times.
const HEAD_BYTES: usize = 16 * 1024;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// How long a client has to come to terms about TLS.
const GREETING_SECONDS: u64 = 10;

/// How long an answer may take to begin.
const ANSWER_SECONDS: u64 = 10;

/// How long what is written may make no headway.
const WRITE_SECONDS: u64 = 10;

/// How long open connections have at the end: answers that are begun are brought to their end, listeners are told.
const LAST_ANSWERS_MILLIS: u64 = 1_000;

/// How long nothing is accepted after the system could not give a connection. It has run out of files, and would say so a
/// thousand times a second.
const PAUSE_MILLIS: u64 = 100;

/// A server at work.
pub struct Server {
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

impl Server {
    /// Begins to serve. There is nobody yet to speak for: until [`Self::speak_for`] everything but liveness answers that Orion is
    /// starting.
    pub fn start(listener: Listener, access: Access, hooks: Vec<Hook>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let acceptor = access.tls.as_ref().map(Tls::acceptor);
        let guard = Guard::new(access, listener.address(), clock.clone());
        let desk = Arc::new(Desk::new(guard, hooks, &*clock));
        let socket = TcpListener::from_std(listener.into_socket())?;
        let task = tokio::spawn(accept(socket, acceptor, desk.clone()));
        Ok(Self { desk, task })
    }

    /// The host has started.
    pub fn speak_for(&self, host: Arc<dyn Host>) {
        self.desk.speak_for(host);
    }

    /// Lets go of the host, brings answers that are begun to their end, and closes every connection.
    pub async fn end(self) {
        self.desk.end();
        self.desk.sketches.end().await;
        // It does nothing that could panic; and if it did, there is nobody to serve any more.
        let _ = self.task.await;
    }
}

async fn accept(socket: TcpListener, acceptor: Option<TlsAcceptor>, desk: Arc<Desk>) {
    let (router, mut down) = (router(desk.clone()), desk.down());
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            () = ended(&mut down) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => desk.meters.ended.increase(),
            accepted = socket.accept(), if has_room => match accepted {
                Ok((stream, peer)) => {
                    desk.meters.connections.increase();
                    let caller = Caller { peer, router: router.clone(), desk: desk.clone() };
                    connections.spawn(greet(stream, acceptor.clone(), caller));
                }
                Err(error) => {
                    tracing::debug!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(PAUSE_MILLIS)).await;
                }
            },
        }
    }
    drop(socket);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(LAST_ANSWERS_MILLIS), all).await;
    // What is not done by then is cut, and waited for: it may hold on to the host, which has to be let go of before it ends.
    connections.shutdown().await;
}

/// Returns when the server is to end.
async fn ended(down: &mut watch::Receiver<bool>) {
    // A sender that is gone is the end as well.
    let _ = down.wait_for(|down| *down).await;
}

/// One who has connected.
struct Caller {
    peer: SocketAddr,
    router: Router,
    desk: Arc<Desk>,
}

async fn greet(stream: TcpStream, acceptor: Option<TlsAcceptor>, caller: Caller) {
    // Answers are written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, Duration::from_secs(WRITE_SECONDS));
    let Some(acceptor) = acceptor else { return serve(stream, caller).await };
    let peer = caller.peer;
    match tokio::time::timeout(Duration::from_secs(GREETING_SECONDS), acceptor.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, caller).await,
        Ok(Err(error)) => tracing::debug!(%peer, "no TLS came about: {error}"),
        Err(_) => tracing::debug!(%peer, "no TLS came about within {GREETING_SECONDS} s"),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, caller: Caller) {
    let Caller { peer, router, desk } = caller;
    let mut down = desk.down();
    let stream = TokioIo::new(stream);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (router, desk) = (router.clone(), desk.clone());
        request.extensions_mut().insert(Peer(peer));
        async move {
            let admitted = desk.guard.admit(peer, &request);
            let answer = match admitted {
                Ok(bearer) => {
                    request.extensions_mut().insert(Asker(bearer));
                    answer(router, request).await
                }
                Err(refused) => refuse(&desk, refused).await,
            };
            desk.meters.answered(answer.status().as_u16());
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = std::pin::pin!(protocol().serve_connection(stream, service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = ended(&mut down) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, "a connection ended badly: {error}");
    }
}

/// Says why, and has it recorded when it is for a while.
pub(crate) async fn refuse(desk: &Desk, refused: Refused) -> Response {
    if let (Some((client, why)), Some(host)) = (refused.locked_out, desk.host()) {
        tracing::warn!(%client, "locked out of the HTTP interface: {why}");
        host.record_lock_out(client, why).await;
    }
    refused.problem.into_response()
}

fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS))
        .max_headers(MAX_HEADERS)
        .max_buf_size(HEAD_BYTES);
    protocol
}

/// One request. Who takes a body reads it, within limits of its own.
async fn answer(router: Router, request: Request<Incoming>) -> Response {
    let answer = TowerToHyperService::new(router).call(request.map(Body::new));
    match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), answer).await {
        Ok(Ok(answer)) => answer,
        Err(_) => {
            let detail = format!("no answer came about within {ANSWER_SECONDS} s: ask for less, or again in a while");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}
