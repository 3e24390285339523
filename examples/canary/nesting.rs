//! The place of a mirror: around a split, or around each of its subsets.

use tower::Layer;
use tower_mirror::HttpTarget;

use crate::{
    Result,
    catalog::{Catalog, Version::V2},
    load::REQUESTS,
    report::Facts,
    stage::{self, Stage},
    webapp,
};

/// A mirror around the split copies before the subset is known.
pub(crate) async fn around(stage: &mut Stage, v2: &Catalog, facts: &mut Facts) -> Result<()> {
    let mirror = webapp::mirror("around", HttpTarget::new(&v2.url())?);
    let split = webapp::split(
        HttpTarget::new(&stage.v1.url())?,
        HttpTarget::new(&v2.url())?,
    )?;
    let handle = split.handle();
    handle.set_weights([("v1", 50), ("v2", 50)])?;
    let webapp = stage::start(webapp::app(mirror.layer(split))).await?;
    let seen = stage.load_to(webapp, &handle, &mirror.handle()).await?;

    let served = seen.counted(V2).served();
    let (copies, twice) = (seen.ids(true).len(), seen.served_twice());
    facts.check(
        copies == REQUESTS && twice as u64 == served && seen.by(V2).count() == twice,
        format_args!(
            "around: v2 received copies of all {copies} requests, and it served {twice} of them too"
        ),
    );
    println!("           (so the better place is inside the split, around each subset)");
    Ok(())
}
