//! `webapp`: an axum app that answers from a split of two catalogs, with a mirror inside or around the split.

use axum::{Router, body::Body, extract::State, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, request::Parts};
use http_body_util::Full;
use tower::{Service, ServiceExt};
use tower_mirror::{
    Draw, HttpTarget, Key, MirrorLayer, ServedBy, WeightedSplit, client,
    split::{InvalidSplit, not_served_by},
};

/// Which subset answered, and why.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
pub(crate) const SERVED_WHY: HeaderName = HeaderName::from_static("x-served-why");
/// For a 502: whether the request had been sent.
pub(crate) const FAILED: HeaderName = HeaderName::from_static("x-failed");
/// How often the request was sent to a catalog.
pub(crate) const ASKED: HeaderName = HeaderName::from_static("x-asked");
const MOST_ASKED: u64 = 8;

/// The body of requests to the catalogs. It can be cloned.
pub(crate) type Ask = Request<Full<Bytes>>;

/// Users keep their version. While v2 cannot be reached, v1 serves its users.
pub(crate) fn split<S>(v1: S, v2: S) -> Result<WeightedSplit<S>, InvalidSplit> {
    WeightedSplit::builder("catalog")
        .subset("v1", 100, v1)
        .subset("v2", 0, v2)
        .fallback("v2", "v1")
        .draw(Draw::key(Key::cookie("uid")))
        .response_header(SERVED_BY)
        .build()
}

/// Mirrors to v2, with the host `catalog-shadow`. Inside a split, around each of its subsets, it copies
/// what v1 serves, and not what v2 serves. Around a split it cannot distinguish them, and copies every
/// request.
pub(crate) fn mirror(name: &str, v2: HttpTarget) -> MirrorLayer {
    MirrorLayer::builder(v2)
        .name(name)
        .filter(not_served_by("v2"))
        .max_in_flight(1024)
        .build()
}

/// Answers what the catalogs answer, and 502 if they fail.
pub(crate) fn app<S>(catalogs: S) -> Router
where
    S: Service<Ask, Response = Response<client::ResponseBody>, Error = client::Error>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Router::new().fallback(ask::<S>).with_state(catalogs)
}

async fn ask<S>(State(catalogs): State<S>, head: Parts, body: Bytes) -> Response<Body>
where
    S: Service<Ask, Response = Response<client::ResponseBody>, Error = client::Error> + Clone,
{
    let request = Request::from_parts(head, Full::from(body));
    let mut answer = catalogs.clone().oneshot(request.clone()).await;
    let mut asked = 1;
    // A connection can close after it was ready and before anything is written. The split cannot take the
    // request back. But the request has not been sent, so it can be sent again here.
    while asked < MOST_ASKED && answer.as_ref().is_err_and(client::Error::is_connect) {
        answer = catalogs.clone().oneshot(request.clone()).await;
        asked += 1;
    }
    let mut answer = match answer {
        Ok(answer) => say_why(answer),
        Err(error) => bad_gateway(&error),
    };
    answer.headers_mut().insert(ASKED, asked.into());
    answer
}

/// The split stores in the extensions of a response which subset served it and why.
fn say_why(answer: Response<client::ResponseBody>) -> Response<Body> {
    let mut answer = answer.map(Body::new);
    if let Some(served) = answer.extensions().get::<ServedBy>() {
        let why = HeaderValue::from_static(served.reason.as_str());
        answer.headers_mut().insert(SERVED_WHY, why);
    }
    answer
}

fn bad_gateway(error: &client::Error) -> Response<Body> {
    let when = if error.is_connect() { "unsent" } else { "sent" };
    let line = format!("catalog: {error}\n");
    (StatusCode::BAD_GATEWAY, [(FAILED, when)], line).into_response()
}
