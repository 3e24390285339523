//~ `HeaderName` cannot rewrite copies
//~ ready made are `rewrite::set_header` and `rewrite::remove_headers`
use http::header::COOKIE;
use tower_mirror::{MirrorBuilder, rewrite};

pub fn without_cookies(mirror: MirrorBuilder) -> MirrorBuilder {
    #[cfg(not(right))]
    let edit = COOKIE;
    #[cfg(right)]
    let edit = rewrite::remove_headers([COOKIE]);
    mirror.rewrite(edit)
}
