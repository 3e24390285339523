//~ Fn(&'a RequestHead<'b>)`
//~ required by a bound in `MirrorBuilder::filter`
use tower_mirror::{MirrorBuilder, sample};

pub fn reads(mirror: MirrorBuilder) -> MirrorBuilder {
    #[cfg(not(right))]
    let wanted = "/items";
    #[cfg(right)]
    let wanted = sample::paths(["/items"]);
    mirror.filter(wanted)
}
