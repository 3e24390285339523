//! `GET /compare` and `DELETE /compare`, and the verdict for tools.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tokio::task::spawn_blocking;
use tower::Service;
use tower_mirror::compare::{CompareHandle, VerdictService};

const REPORT: &str = "/compare";
const RESET: &str = "/compare/reset";
const VERDICTS: [&str; 3] = ["/verdict", "/verdict/pass", "/verdict/fail"];

pub(super) const PATHS: [&str; 5] = [REPORT, RESET, VERDICTS[0], VERDICTS[1], VERDICTS[2]];

pub(super) fn router(compare: CompareHandle) -> Router {
    let verdict = VerdictService::new(compare.clone());
    let report = Router::new()
        .route(REPORT, get(report).delete(reset))
        .route(RESET, post(reset_for_tools))
        .with_state(compare);
    let verdicts = VERDICTS.iter().fold(Router::new(), |router, path| {
        router.route(path, any(answer_verdict))
    });
    report.merge(verdicts.with_state(verdict))
}

async fn report(State(compare): State<CompareHandle>, headers: HeaderMap) -> Response {
    let is_json = wants_json(&headers);
    show(compare, is_json).await
}

/// Renders the report on a blocking thread: it takes some milliseconds, in which the thread that serves would pause.
async fn show(compare: CompareHandle, is_json: bool) -> Response {
    let text = spawn_blocking(move || match is_json {
        true => compare.report().to_json(),
        false => compare.report().to_string(),
    });
    let kind = match is_json {
        true => "application/json",
        false => "text/plain; charset=utf-8",
    };
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept"),
    ];
    match text.await {
        Ok(text) => (headers, text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn reset(State(compare): State<CompareHandle>) -> StatusCode {
    compare.reset();
    StatusCode::NO_CONTENT
}

/// For tools that only send POST. Flagger treats 204 as a refusal, and Argo Rollouts reads JSON.
async fn reset_for_tools(State(compare): State<CompareHandle>) -> Response {
    compare.reset();
    show(compare, true).await
}

async fn answer_verdict(State(verdict): State<VerdictService>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let mut verdict = verdict;
    let answering = spawn_blocking(move || verdict.call(Request::from_parts(head, ())));
    match answering.await {
        Ok(answer) => match answer.await {
            Ok(answer) => answer.map(Body::new),
            Err(never) => match never {},
        },
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether JSON is preferred to text (RFC 9110, section 12.5.1). If both have the same quality, the report is text.
fn wants_json(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT).iter();
    let fields: Vec<_> = fields.filter_map(|field| field.to_str().ok()).collect();
    let quality = |ranges: [&str; 3]| {
        let of_range = |wanted: &str| {
            let offers = fields.iter().flat_map(|field| field.split(','));
            let mut offers = offers.filter_map(|offer| quality_of(offer, wanted));
            offers.next()
        };
        ranges.into_iter().find_map(of_range).unwrap_or(0.0)
    };
    let json = quality(["application/json", "application/*", "*/*"]);
    json > quality(["text/plain", "text/*", "*/*"])
}

/// The quality of this offer if it is this range.
fn quality_of(offer: &str, range: &str) -> Option<f32> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(range) {
        return None;
    }
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}
