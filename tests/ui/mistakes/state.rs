//~ `Router<App>` cannot be the shadow of a mirror
//~ a `Router<S>` first needs `.with_state(..)`
use axum::{Router, extract::State, routing::get};
use tower_mirror::MirrorLayer;

#[derive(Clone)]
pub struct App;

pub fn mirror() -> MirrorLayer {
    let v2 = Router::new().route("/", get(async |State(App): State<App>| ()));
    #[cfg(right)]
    let v2 = v2.with_state(App);
    MirrorLayer::new(v2)
}
