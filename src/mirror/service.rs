//! The `Mirror` service, its future, and `Mirroring`, the extension of a response.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{admission::Admission, follow::Token, join::PrimarySide};
use crate::{body::TeeBody, marker::BodyIsBuffered, observe::Outcome};

/// Answers as the primary `S` does, and sends copies to a shadow.
///
/// A [`MirrorLayer`](super::MirrorLayer) creates it. Its responses, errors and readiness are those
/// of the primary. Only the body that the primary reads is wrapped, in a [`TeeBody`]: when the
/// mirror is called with a `Request<B>`, it calls `S` with a `Request<TeeBody<B>>`. `B` is any body
/// that is `Send + 'static` and has [`Bytes`] as its data, as the bodies of hyper, axum and tonic
/// have.
///
/// # Example
///
/// A server that names the type of its service:
///
/// ```
/// use axum::{Router, routing::get};
/// use tower::Layer;
/// use tower_mirror::{HttpTarget, Mirror, MirrorLayer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Server {
///     app: Mirror<Router>,
/// }
///
/// let mirror = MirrorLayer::new(HttpTarget::new("http://127.0.0.1:9002")?);
/// let app = Router::new().route("/items", get(async || "[]"));
/// let server = Server { app: mirror.layer(app) };
/// assert!(server.app.get_ref().has_routes());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mirror<S> {
    primary: S,
    admission: Arc<Admission>,
}

impl<S> Mirror<S> {
    pub(super) fn new(primary: S, admission: Arc<Admission>) -> Self {
        Self { primary, admission }
    }

    /// Returns a reference to the primary.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.primary
    }

    /// Returns a mutable reference to the primary.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.primary
    }

    /// Drops the mirror and returns the primary.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.primary
    }
}

impl<S, B, R> Service<Request<B>> for Mirror<S>
where
    S: Service<Request<TeeBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.primary.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.call_followed(request).0
    }
}

impl<S> Mirror<S> {
    /// Calls the primary as the service does. If the request is followed, its token is returned.
    pub(crate) fn call_followed<B, R>(
        &mut self,
        mut request: Request<B>,
    ) -> (ResponseFuture<S::Future>, Option<Token>)
    where
        S: Service<Request<TeeBody<B>>, Response = Response<R>>,
        B: Body<Data = Bytes> + Send + 'static,
    {
        self.admission.strip_inbound_mark(&mut request);
        match self.admission.admit(&request) {
            Err(outcome) => {
                let request = request.map(TeeBody::plain);
                let answering = ResponseFuture {
                    side: None,
                    mirroring: self.extension(Mirroring::Skipped(outcome)),
                    primary: self.primary.call(request),
                };
                (answering, None)
            }
            Ok(admitted) => {
                let buffered = request.extensions().get::<BodyIsBuffered>().copied();
                let request = request.map(|body| match admitted.writer {
                    None => TeeBody::plain(body),
                    Some(writer) => match buffered {
                        Some(buffered) => TeeBody::copied_from_memory(body, writer, buffered),
                        None => TeeBody::copied(body, writer),
                    },
                });
                let answering = ResponseFuture {
                    mirroring: self.extension(Mirroring::Copied),
                    primary: self.primary.call(request),
                    side: Some(admitted.primary),
                };
                (answering, admitted.token)
            }
        }
    }

    fn extension(&self, mirroring: Mirroring) -> Option<Mirroring> {
        let is_wanted = self.admission.shared.policy.with_mirroring;
        is_wanted.then_some(mirroring)
    }
}

/// Whether a request was copied. The primary's response contains this extension if the mirror was
/// built with [`with_mirroring`](crate::MirrorBuilder::with_mirroring).
///
/// # Example
///
/// A header for the people who test the service:
///
/// ```
/// use axum::{Router, body::Body, response::Response, routing::get};
/// use http::{HeaderValue, Request};
/// use tower::ServiceExt;
/// use tower_mirror::{MirrorLayer, Outcome, mirror::Mirroring, sample};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let v2 = Router::<()>::new();
/// let mirror = MirrorLayer::builder(v2).filter(sample::paths(["/items"])).with_mirroring().build();
/// let app: Router = Router::new()
///     .route("/items", get(async || "[]"))
///     .layer(mirror)
///     .layer(tower::util::MapResponseLayer::new(|mut response: Response| {
///         if response.extensions().get() == Some(&Mirroring::Copied) {
///             response.headers_mut().insert("x-was-copied", HeaderValue::from_static("yes"));
///         }
///         response
///     }));
///
/// let response = app.clone().oneshot(Request::get("/items").body(Body::empty())?).await?;
/// assert_eq!(response.headers()["x-was-copied"], "yes");
///
/// let response = app.oneshot(Request::get("/health").body(Body::empty())?).await?;
/// assert_eq!(response.extensions().get(), Some(&Mirroring::Skipped(Outcome::Filtered)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mirroring {
    /// A copy was begun. Its outcome is usually not known yet; the [`Report`](crate::Report)
    /// contains it.
    Copied,
    /// The request was not copied, for this reason.
    Skipped(Outcome),
}

pin_project! {
    /// The future of the primary. Its output is returned unchanged, except for the extension
    /// [`Mirroring`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // This is dropped before the primary's future and the body in it. The order distinguishes
        // an abort by the client from a body that the primary has left unread.
        side: Option<PrimarySide>,
        mirroring: Option<Mirroring>,
        #[pin]
        primary: F,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.side.is_none() && this.mirroring.is_none() {
            return this.primary.poll(cx);
        }
        let mut answer = ready!(this.primary.poll(cx));
        if let Some(side) = this.side.take() {
            side.ended(answer.as_ref().ok());
        }
        if let (Some(mirroring), Ok(answer)) = (this.mirroring.take(), &mut answer) {
            answer.extensions_mut().insert(mirroring);
        }
        Poll::Ready(answer)
    }
}
