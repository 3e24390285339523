//! The comparison while it runs: the layer, the three answers to a request, the comparing thread, and the reports.
//!
//! A request that the mirror copies gets a `triple`. The mirror's two copies report to their `side` of it, and the
//! primary's answer passes through [`ComparedBody`]. The last of the three that drops the triple sends it to the `worker`, the
//! comparing thread, or counts the [reason](DropReason) why it is not compared. The worker enters what it has found into the `table`, of which a
//! `report` is made.

mod body;
mod builder;
mod core;
mod difference;
mod drop_reason;
mod features;
mod handle;
mod json;
mod judge;
mod layer;
mod ledger;
mod rare;
mod report;
mod service;
mod settings;
mod side;
mod table;
mod tape;
mod text;
mod triple;
mod turn;
mod verdict_service;
mod worker;

pub use self::{
    body::ComparedBody,
    builder::{Compare, CompareError},
    difference::DifferenceReport,
    drop_reason::DropReason,
    features::InCommon,
    handle::CompareHandle,
    layer::CompareLayer,
    report::{CompareReport, NoisyPath, PathReport, RouteReport},
    service::{CompareFuture, CompareService},
    settings::BaselineKind,
    verdict_service::{VerdictBody, VerdictFuture, VerdictService},
};
