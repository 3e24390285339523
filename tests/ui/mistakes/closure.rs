//~ RequestHead<
//~ required by a bound in `MirrorBuilder::filter`
use tower_mirror::MirrorBuilder;

#[cfg(not(right))]
type Head = http::Request<axum::body::Body>;
#[cfg(right)]
type Head<'a> = tower_mirror::RequestHead<'a>;

pub fn all(mirror: MirrorBuilder) -> MirrorBuilder {
    mirror.filter(|_: &Head| true)
}
