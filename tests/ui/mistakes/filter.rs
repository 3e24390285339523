//~ `&str` cannot be a filter
//~ ready made are `sample::methods`, `safe_methods`, `paths` and `skip_paths`
use tower_mirror::{MirrorBuilder, sample};

pub fn reads(mirror: MirrorBuilder) -> MirrorBuilder {
    #[cfg(not(right))]
    let wanted = "/items";
    #[cfg(right)]
    let wanted = sample::paths(["/items"]);
    mirror.filter(wanted)
}
