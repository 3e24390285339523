//! `VerdictService`: the verdict over HTTP, for the tools that roll out a version.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use super::handle::CompareHandle;
use crate::compare::Verdict;

/// Answers GET and POST with the verdict of a comparison. Nest it below any path; the last segments of the path decide:
///
/// | path | status | for |
/// |---|---|---|
/// | `/verdict` | always 200, with the report as JSON | the `web` metric of Argo Rollouts, which counts any other status as an error |
/// | `/verdict/pass` | 200 PASS, 409 FAIL, 425 not decided yet | the `confirm-traffic-increase` and `confirm-promotion` hooks of Flagger |
/// | `/verdict/fail` | 200 FAIL, 409 otherwise | the `rollback` hook of Flagger |
///
/// The body of the last two is one line of text. Other paths are answered with 404, other methods with 405. The status 202 never occurs,
/// because Flagger reads it as consent.
///
/// # Example
///
/// ```
/// use axum::{Router, body::Body};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_mirror::{MirrorLayer, compare::{Compare, VerdictService}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = Compare::alone().layer(MirrorLayer::builder(Router::<()>::new()))?;
/// let admin = Router::new().nest_service("/compare", VerdictService::new(layer.handle()));
///
/// let request = Request::post("/compare/verdict/pass").body(Body::empty())?;
/// let answer = admin.oneshot(request).await?;
/// assert_eq!(answer.status(), StatusCode::TOO_EARLY);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct VerdictService {
    compare: CompareHandle,
}

impl VerdictService {
    /// Serves the verdict of this comparison.
    #[must_use]
    pub fn new(compare: CompareHandle) -> Self {
        Self { compare }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<VerdictBody> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(which) = Which::of(path) else {
            return plain(StatusCode::NOT_FOUND, "no verdict has this path\n".into());
        };
        if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
            let text = "the verdict is read by GET or POST\n".into();
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, text);
            let allowed = HeaderValue::from_static("GET, HEAD, POST");
            answer.headers_mut().insert(ALLOW, allowed);
            return answer;
        }
        let report = self.compare.report();
        let status = match (which, &report.verdict) {
            (Which::Report, _) => {
                return respond(StatusCode::OK, "application/json", report.to_json());
            }
            (Which::Pass, Verdict::Pass) | (Which::Fail, Verdict::Fail(_)) => StatusCode::OK,
            (Which::Pass, Verdict::Inconclusive { .. }) => StatusCode::TOO_EARLY,
            (Which::Pass | Which::Fail, _) => StatusCode::CONFLICT,
        };
        plain(status, format!("{}\n", report.one_line()))
    }
}

#[derive(Clone, Copy)]
enum Which {
    Report,
    Pass,
    Fail,
}

impl Which {
    fn of(path: &str) -> Option<Self> {
        let paths = [
            ("/verdict", Self::Report),
            ("/verdict/pass", Self::Pass),
            ("/verdict/fail", Self::Fail),
        ];
        let found = paths.into_iter().find(|(end, _)| path.ends_with(end));
        found.map(|(_, which)| which)
    }
}

impl<B> Service<Request<B>> for VerdictService {
    type Response = Response<VerdictBody>;
    type Error = Infallible;
    type Future = VerdictFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> VerdictFuture {
        ready(Ok(self.answer(request.method(), request.uri().path())))
    }
}

/// The answer of a [`VerdictService`], which is there at once.
pub type VerdictFuture = Ready<Result<Response<VerdictBody>, Infallible>>;

fn plain(status: StatusCode, text: String) -> Response<VerdictBody> {
    respond(status, "text/plain; charset=utf-8", text)
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<VerdictBody> {
    let mut answer = Response::new(VerdictBody(Some(text.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The body of a [`VerdictService`]'s answer.
pub struct VerdictBody(Option<Bytes>);

impl Body for VerdictBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

impl fmt::Debug for VerdictBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerdictBody").finish_non_exhaustive()
    }
}
