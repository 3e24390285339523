//! A pooled HTTP destination: [`HttpTarget`].
//!
//! An `HttpTarget` is a `Service<Request<B>>` that sends every request to *one* server. Most clients take the address and the
//! host from one URI. A target separates them: the address to dial comes only from the URL of the target, and the host in `Host`
//! (HTTP/1.1) or `:authority` (HTTP/2) comes from the request. It is one type for all request bodies, so that the same target can
//! stand behind a mirror, in a split, or as the primary of a reverse proxy.
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
//! // A server at `address` responds with the `Host` of the request.
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
//! In axum, whose services never fail, an error becomes a response:
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
//!  poll_ready ── an open connection, else the first of: one that returns │ one that is dialled       target.rs, pool.rs
//!      │                                                                └─ address, TCP, TLS, HTTP   lookup.rs, connect.rs, tls.rs
//!  call ──────── the head as this version of HTTP needs it                                           request.rs, hop.rs
//!      │
//!      ├─ HTTP/1.1: the connection serves only this request                                          http1.rs, idle.rs
//!      └─ HTTP/2:   a stream of a connection that is not full                                        http2.rs, upload.rs
//!      │         │
//!      │         ├─ not sent, or declared unprocessed: again on another connection, up to 16 times   pool.rs
//!      │         └─ closed before a byte of the response, idempotent, no body: once more             http1.rs, http2.rs
//!  response ──── its head, within the limit and without hop-by-hop fields; 101: a tunnel begins      response.rs, tunnel.rs
//!      │
//!  body ──────── read to its end: the connection is free; dropped before: it is closed, or the stream reset    body.rs
//! ```
//!
//! # The life of a connection
//!
//! ```text
//!           ┌── permit (max_connections) ── dial (connect_timeout) ── handshake ──┐
//!           │                                                                     ▼
//!  HTTP/1.1 │       idle ◄────────── the response has ended ──────────── in use, one request ──► switched (101)
//!           │        │ ▲                                                    ▲  │                       │
//!           │        │ └─ dropped unused ── lease ── taken for a request ───┘  │ dropped early,        │ both sides have ended
//!           │        │                                                         │ write_timeout         │
//!           │        ▼ idle_timeout, max_age, the peer closes                  ▼                       ▼
//!           │     closed ◄─────────────────────────────────────────────────────┴───────────────────────┘
//!           │
//!  HTTP/2   └─► shared by requests ──► retired: no new requests ──► the last request has ended ──► closed
//!                                      max_age, GOAWAY, an unanswered ping, three unanswered requests,
//!                                      an upload that is stuck for write_timeout, the end by the peer
//! ```
//!
//! A permit is held until the socket is closed. When an HTTP/2 peer closes the connection, the socket stays open while responses
//! that have arrived ahead of their uploads are read, for [`write_timeout`](HttpTargetBuilder::write_timeout) at most.
//!
//! # Names
//!
//! If the host of the URL is a name, it is looked up when a connection is dialled, by the resolver of the system or by
//! [a resolver of the user](HttpTargetBuilder::resolver). A target has one lookup at a time, over all clones. All dials that need it
//! wait for it, each for its own [`connect_timeout`](HttpTargetBuilder::connect_timeout). When these dials have failed, the lookup
//! continues, and its answer is used by later dials. It ends with the target. A lookup that takes longer than 30 seconds is
//! stopped by the next dial, which starts another one.
//!
//! An answer is used without another lookup for 5 seconds. Until it is 60 seconds old, it is used while a lookup
//! renews it, and when that lookup fails. After a failure, there is no other lookup for 1 second, then for 2, 4 and at most
//! 5 seconds. Without an answer, the dials during this time fail at once with the error of the lookup.
//!
//! The resolver of the system blocks its thread, for 10 seconds and more when no name server answers. It runs on separate threads
//! and never on the threads that the runtime has for blocking work (`spawn_blocking`). So a name that resolves
//! slowly takes nothing that a primary needs, and the runtime can shut down during a lookup. In the whole process
//! there is one such thread at a time for each name, however many targets have that name. The number of names is not limited, since
//! they come from the URLs of targets and never from a request; with one limit for all names, a name that does not
//! resolve would delay the others.
//!
//! At most four addresses of each family are tried, in the order of the answer. The addresses of a family share `connect_timeout`
//! evenly. The other family is tried too when the first one has not connected within 300 ms, or within a quarter
//! of `connect_timeout` if that is less.
//!
//! # TLS
//!
//! With the feature `rustls` (off by default) the scheme of the URL may be `https`. The certificate of the server is always
//! verified, with the roots of the platform or of a `Tls`, which may also hold a certificate of the client. At each
//! handshake the server selects HTTP/2 or HTTP/1.1 (ALPN), unless [`http1`](HttpTargetBuilder::http1) or
//! [`http2`](HttpTargetBuilder::http2) leaves it no choice. When a handshake fails, no connection can be made. The name that is sent
//! to the server (SNI) is the host of the URL, whatever host the request names.
//!
//! # The head of a request
//!
//! The host is, in this order: the authority of the request's URI without its user information, the first field `Host`,
//! the [`authority`](HttpTarget::authority) of the target. Over HTTP/1.1 the request has the origin form, with
//! exactly one `Host` and one `Cookie`. Over HTTP/2 it has `:authority` and no `Host`. A host that
//! is not a valid authority is replaced by that of the target. `:scheme` is the scheme of the target's URL.
//! `CONNECT` is refused.
//!
//! Fields that are meant for one connection (RFC 9110, section 7.6.1: `Connection` and the fields that it names, `Keep-Alive`,
//! `Proxy-Connection`, `TE`, `Transfer-Encoding`, `Upgrade`) are removed in both directions; over HTTP/2, `TE: trailers` remains. A
//! transfer coding besides `chunked` is an error, since its name would be lost, and the body could then not be decoded.
//!
//! Informational responses (`103 Early Hints`) are dropped. With hyper 1.12 a client can see those of HTTP/1.1
//! (`hyper::ext::on_informational`), but a server cannot send any, so they cannot be forwarded.
//!
//! # Upgrades
//!
//! An offer to switch protocols, as WebSocket clients make it, is forwarded over HTTP/1.1 if the request came over a
//! connection of hyper's server that can switch (`serve_connection_with_upgrades`, `axum::serve`). When the server accepts the offer,
//! the client gets the response with status 101, and a separate task passes on what either side sends until both have
//! ended. Such a connection counts as one of [`max_connections`](HttpTargetBuilder::max_connections) until then, and never serves
//! another request. Its only deadline is [`write_timeout`](HttpTargetBuilder::write_timeout), for bytes that the server does not
//! accept. It is closed if the response does not reach the client within that time.
//!
//! An offer of `h2c`, `HTTP/2.0` or `TLS` is not forwarded, since such a switch would hide the following requests from
//! all services in between. The request is then an ordinary one. When a server switches to a protocol that it was not offered, this is
//! a transport error.
//!
//! # Connections
//!
//! All clones share one pool. [`poll_ready`](tower_service::Service::poll_ready) obtains a connection, so it
//! fails when no connection can be made. A clone does not take over this connection, and a target that is dropped returns it.
//! Over HTTP/1.1 a connection serves one request at a time, and returns to the pool when the body of the response was read to its end.
//! If the response or its body is dropped earlier, the connection is closed. Over HTTP/2 requests share a
//! connection. When the server admits no more requests on the open connections, another one is dialled, up to `max_connections`;
//! then a request waits in the connection with the fewest.
//!
//! A response that has arrived is delivered completely, also when the server has reset the upload, has announced its end, or has
//! closed the connection.
//!
//! A connection is closed when it was unused for [`idle_timeout`](HttpTargetBuilder::idle_timeout), and gets no new requests after
//! [`max_age`](HttpTargetBuilder::max_age). An HTTP/2 peer that leaves a ping or three requests in a row unanswered loses its
//! connection. The memory of an unread response is limited for each stream and not for the connection, so that it
//! does not delay other responses.
//!
//! A request that was not sent, or that an HTTP/2 server declares unprocessed (`GOAWAY`, `REFUSED_STREAM`), is sent on another
//! connection. So is an idempotent request without a body whose HTTP/1.1 connection closes before a byte of the response has
//! arrived ([`retry_idempotent`](HttpTargetBuilder::retry_idempotent)). If no other connection can be
//! made, the call fails with an error that [is a connect error](Error::is_connect): the server has processed nothing, and the caller
//! may safely try again. A peer that accepts nothing for [`write_timeout`](HttpTargetBuilder::write_timeout) loses its connection,
//! so that no task, socket or body is held longer. The caller decides how long it waits for a *response*.
//!
//! # Runtimes
//!
//! A connection belongs to the runtime on which it was dialled, and ends with that runtime; then another one is dialled. It can serve
//! requests of every other runtime, also of one without timers, on which nothing can be dialled. On a runtime that is not driven,
//! nothing is received: each of its HTTP/1.1 connections costs one request its deadline, and its HTTP/2 connection costs three
//! requests theirs, before other connections replace them.

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
