//! A pooled HTTP destination: [`HttpTarget`].
//!
//! An `HttpTarget` is a `Service<Request<B>>` that sends every request to *one* server, whatever the request says. It
//! keeps apart two things that most clients take from one URI: the address it dials, which comes from the URL it was
//! made with and from nowhere else, and the host it names in `Host` (HTTP/1.1) or `:authority` (HTTP/2), which comes
//! from the request. One type, whatever the request body, so the same target can stand behind a mirror, in a split, or
//! as the primary of a reverse proxy.
//!
//! ```
//! use http::{Request, header::HOST};
//! use http_body_util::{BodyExt, Empty};
//! use bytes::Bytes;
//! use tower::ServiceExt;
//! use tower_mirror::client::HttpTarget;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let whoami = axum::Router::new().route("/", axum::routing::get(|headers: http::HeaderMap| async move {
//! #     headers[HOST].to_str().unwrap_or_default().to_owned()
//! # }));
//! # tokio::spawn(async move { axum::serve(listener, whoami).await });
//! // `address` is where a server listens that answers with the `Host` it was sent.
//! let target = HttpTarget::new(&format!("http://{address}"))?;
//!
//! let request = Request::get("/").header(HOST, "catalog-shadow").body(Empty::<Bytes>::new())?;
//! let response = target.oneshot(request).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "catalog-shadow");
//! # Ok(())
//! # }
//! ```
//!
//! With other settings, over HTTP/2:
//!
//! ```
//! # use std::time::Duration;
//! # use tower_mirror::client::HttpTarget;
//! let target = HttpTarget::builder("http://catalog-v2.internal:9002")
//!     .http2()
//!     .connect_timeout(Duration::from_millis(300))
//!     .write_timeout(Duration::from_secs(5))
//!     .build()?;
//! assert_eq!(target.authority(), "catalog-v2.internal:9002");
//! # Ok::<_, tower_mirror::client::InvalidUrl>(())
//! ```
//!
//! In axum, whose services never fail, an error is made an answer:
//!
//! ```
//! use axum::{Router, error_handling::HandleError, http::StatusCode};
//! use tower_mirror::client::{Error, HttpTarget};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let v1 = HttpTarget::new("http://127.0.0.1:9001")?;
//! let v1 = HandleError::new(v1, async |error: Error| (StatusCode::BAD_GATEWAY, error.to_string()));
//! let app: Router = Router::new().fallback_service(v1);
//! # Ok(())
//! # }
//! ```
//!
//! # The path of a request
//!
//! ```text
//!  poll_ready ── a connection at hand, else the first of: one that comes back │ one that is dialled      target.rs, pool.rs
//!      │                                                                └─ address, TCP, TLS, HTTP     lookup.rs, connect.rs, tls.rs
//!  call ──────── the head as the protocol and this connection want it                              request.rs, hop.rs
//!      │
//!      ├─ HTTP/1.1: the connection carries this one request                                        http1.rs, idle.rs
//!      └─ HTTP/2:   a stream of the connection that all share                                      http2.rs
//!      │         │
//!      │         ├─ not sent, or declared unprocessed: to another connection, up to 16 times         pool.rs
//!      │         └─ closed before a byte of the response, idempotent, no body: once more            http1.rs, http2.rs
//!  response ──── its head, fit and within the limit; 101: both connections are joined              response.rs, tunnel.rs
//!      │
//!  body ──────── read to its end: the connection is free; dropped before: closed, or its stream reset  body.rs
//! ```
//!
//! # The life of a connection
//!
//! ```text
//!           ┌── permit (max_connections) ── dial (connect_timeout) ── handshake ──┐
//!           │                                                                     ▼
//!  HTTP/1.1 │       idle ◄────────── the response has ended ──────────── in use, one request ──► switched (101)
//!           │        │ ▲                                                    ▲  │                       │
//!           │        │ └─ dropped unused ── lease ── taken for a request ───┘  │ dropped early,        │ either side ends
//!           │        │                                                         │ write_timeout         │
//!           │        ▼ idle_timeout, max_age, the peer closes                  ▼                       ▼
//!           │     closed ◄─────────────────────────────────────────────────────┴───────────────────────┘
//!           │
//!  HTTP/2   └─► the one for all ──► retired: no new requests ──► the last one has ended ──► closed
//!                                   max_age, GOAWAY, an unanswered ping, three unanswered requests,
//!                                   an upload that is stuck for write_timeout, the peer's end
//! ```
//!
//! A permit is held until the socket is closed. When an HTTP/2 peer closes the connection, the socket stays open while responses
//! that have arrived ahead of their uploads are read, for [`write_timeout`](HttpTargetBuilder::write_timeout) at most.
//!
//! # Names
//!
//! Where the URL's host is a name, it is looked up when a connection is dialled, by the resolver of the system or by
//! [one of yours](HttpTargetBuilder::resolver). A target has one lookup at a time, over all clones, and all dials that need it
//! wait for it, each for its own [`connect_timeout`](HttpTargetBuilder::connect_timeout). A lookup goes on when these dials have
//! failed, and its answer is there for the next one; it ends with the target. One that takes longer than 30 seconds is
//! stopped by the next dial, which starts another.
//!
//! An answer is used without another lookup for 5 seconds. Until it is 60 seconds old it is used while a lookup
//! renews it, and when that fails. After a failure there is no other lookup for 1 second, then 2, 4 and at most 5 seconds;
//! dials that find no answer meanwhile fail at once with the error of the lookup.
//!
//! The system's resolver blocks its thread, for 10 seconds and more when no name server answers. It runs on threads of
//! its own and never on those that the runtime has for blocking work (`spawn_blocking`), so that a name that resolves
//! slowly takes nothing that a primary needs, and a runtime ends while it is still being resolved. In the whole process
//! there is one such thread at a time for each name, however many targets have that name. There is no other bound on
//! them: names come from the URLs of targets and never from a request, and with one bound for all names, a name that does not
//! resolve would hold up the others.
//!
//! Up to four addresses of each family are tried, in the order of the answer. Those of a family share `connect_timeout`
//! evenly; those of the other family are tried too when the first family has not connected within 300 ms, or a quarter
//! of `connect_timeout` if that is less.
//!
//! # TLS
//!
//! With the feature `rustls` (off by default) the URL may be an `https` one. The server's certificate is always verified:
//! by the platform's roots, or as a `Tls` says, which may also hold a certificate to show to the server. At each
//! handshake the server selects HTTP/2 or HTTP/1.1 (ALPN), unless [`http1`](HttpTargetBuilder::http1) or
//! [`http2`](HttpTargetBuilder::http2) leaves it no choice. A handshake that fails is a connection that cannot be made. The name
//! asked for (SNI) is the URL's host, whatever the request names.
//!
//! # The request head
//!
//! The host is, in this order: the authority of the request's URI without its user information, the first `Host`
//! header, the target's own [`authority`](HttpTarget::authority). Over HTTP/1.1 the request goes out in origin form with
//! exactly one `Host` and cookie fields joined. Over HTTP/2 it goes out with `:authority` and without `Host`; a host that
//! is no valid authority is replaced by the target's own. `:scheme` is that of the target's URL.
//! `CONNECT` is refused.
//!
//! Fields that are meant for one connection (RFC 9110, section 7.6.1: `Connection` and what it names, `Keep-Alive`,
//! `Proxy-Connection`, `TE`, `Transfer-Encoding`, `Upgrade`) pass in neither direction; over HTTP/2 `TE: trailers` remains. A
//! transfer coding besides `chunked` is an error, since what its body means would be lost.
//!
//! Informational responses (`103 Early Hints`) are dropped. With hyper 1.12 a client can see those of HTTP/1.1
//! (`hyper::ext::on_informational`), but a server cannot send any, so they cannot be forwarded.
//!
//! # Upgrades
//!
//! An offer to switch protocols, as WebSocket clients make it, is passed on over HTTP/1.1 if the request came over a
//! connection of hyper's server that can switch (`serve_connection_with_upgrades`, `axum::serve`). When the server accepts it,
//! the response of status 101 goes to the client, and a task of its own passes on what either side sends until both have
//! ended. Such a connection counts as one of [`max_connections`](HttpTargetBuilder::max_connections) until then, is never used for
//! another request, and has no deadline other than [`write_timeout`](HttpTargetBuilder::write_timeout) for what the server takes.
//! If its response does not reach the client within that time, it is closed.
//!
//! An offer of `h2c`, `HTTP/2.0` or `TLS` is not passed on, since the requests that follow such a switch would be hidden from
//! everything between the two; the request is then an ordinary one. A server that switches to what it was not offered is
//! a transport error.
//!
//! # Connections
//!
//! All clones share one pool. [`poll_ready`](tower_service::Service::poll_ready) *is* obtaining a connection, so it
//! fails when none can be made; a clone carries none. A readied target that is dropped gives its connection back.
//! Over HTTP/1.1 a connection serves one request at a time and returns once the response body has been read to its end;
//! dropping the response, or its body, before that closes it. Over HTTP/2 all requests share one connection.
//!
//! A response that has arrived is delivered whole, also when the server has reset the upload, has gone away, or has closed
//! the connection by then.
//!
//! A connection is closed when it was unused for [`idle_timeout`](HttpTargetBuilder::idle_timeout), and gets no new requests after
//! [`max_age`](HttpTargetBuilder::max_age). An HTTP/2 peer that leaves a ping or three requests in a row unanswered loses its
//! connection. What a response that nobody reads may hold is bounded for each stream and not for the connection, so that it
//! holds up no other.
//!
//! A request that was not sent, or that an HTTP/2 server declares unprocessed (`GOAWAY`, `REFUSED_STREAM`), goes to another
//! connection; one that is idempotent and has no body also when its HTTP/1.1 connection closes before a byte of the response has
//! arrived ([`retry_idempotent`](HttpTargetBuilder::retry_idempotent)). Where no other connection can be
//! made, the call fails with an error that [is a connect error](Error::is_connect): nothing was processed, and it is safe to
//! make the request anew. A peer that takes
//! nothing for [`write_timeout`](HttpTargetBuilder::write_timeout) loses its connection, so that no task, socket or body
//! outlives it. How long to wait for an *answer* is the caller's to say.
//!
//! # Runtimes
//!
//! A connection belongs to the runtime on which it was dialled, and ends with it; another one is dialled then. It may serve
//! requests of any other runtime, also of one without timers, where nothing can be dialled. A runtime that is not driven answers
//! nothing: each HTTP/1.1 connection of it costs one request its deadline, and one over HTTP/2 three, before others take their place.

mod body;
mod builder;
mod connect;
mod ending;
mod error;
mod hop;
mod http1;
mod http2;
mod idle;
mod io;
mod life;
mod lookup;
mod pool;
mod request;
mod resolver;
mod response;
mod settings;
mod target;
#[cfg(feature = "rustls")]
mod tls;
mod tunnel;
mod upload;
mod url;

pub use self::body::ResponseBody;
pub use self::builder::HttpTargetBuilder;
pub use self::error::Error;
pub use self::target::{HttpTarget, ResponseFuture};
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub use self::tls::{InvalidTls, Tls};
pub use self::url::InvalidUrl;
#[doc(no_inline)]
pub use hyper_util::client::legacy::connect::dns::Name;
