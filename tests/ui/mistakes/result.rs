//~ `Result<HttpTarget, InvalidUrl>` cannot be the shadow of a mirror
//~ a URL goes through `HttpTarget::new(url)?`, with the `?`
use tower_mirror::{HttpTarget, MirrorLayer, client::InvalidUrl};

pub fn mirror() -> Result<MirrorLayer, InvalidUrl> {
    #[cfg(not(right))]
    let shadow = HttpTarget::new("http://127.0.0.1:9002");
    #[cfg(right)]
    let shadow = HttpTarget::new("http://127.0.0.1:9002")?;
    Ok(MirrorLayer::new(shadow))
}
