//~ `HeaderName` cannot rewrite copies
//~ ready made are `rewrite::set_header`, `remove_headers`, `strip_credentials` and `only`
use http::header::COOKIE;
use tower_mirror::{MirrorBuilder, rewrite};

pub fn without_cookies(mirror: MirrorBuilder) -> MirrorBuilder {
    #[cfg(not(right))]
    let edit = COOKIE;
    #[cfg(right)]
    let edit = rewrite::remove_headers([COOKIE]);
    mirror.rewrite(edit)
}
