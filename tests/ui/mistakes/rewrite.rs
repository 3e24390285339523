//~ Parts)`
//~ required by a bound in `MirrorBuilder::rewrite`
use http::header::COOKIE;
use tower_mirror::{MirrorBuilder, rewrite};

pub fn without_cookies(mirror: MirrorBuilder) -> MirrorBuilder {
    #[cfg(not(right))]
    let edit = COOKIE;
    #[cfg(right)]
    let edit = rewrite::remove_headers([COOKIE]);
    mirror.rewrite(edit)
}
