//! The guide, which helps with the decisions about the settings that the reference describes. The
//! chapters are the files of `docs/guide`, and their examples are tests.
//!
//! 1. [Choosing a body mode](body_mode): the whole body, a live body, or no body
//! 2. [Sampling and stickiness](sampling): how many requests are copied, and which
//! 3. [Safe writes](safe_writes): how a shadow must treat copies that write
//! 4. [Rolling out a version](rolling_out): from 1 % mirrored requests to 100 % served requests
//! 5. [Reading the outcomes](outcomes): what the numbers mean, and what they do not mean
//! 6. [Sizing the limits](sizing): calculations with example numbers
//! 7. [Shutting down](shutting_down): the order of the steps
//! 8. [Coming from a mesh](from_a_mesh): the settings of Istio, Envoy, Gateway API, nginx and
//!    Traefik, and those of this crate

// The first definition of a link is used. So the links of a chapter lead to modules in this
// documentation, and to files in the repository.
macro_rules! chapters {
    ($($(#[$summary:meta])* $chapter:ident $file:literal)*) => {
        $(
            $(#[$summary])*
            ///
            /// [body modes]: self::body_mode
            /// [sampling]: self::sampling
            /// [safe writes]: self::safe_writes
            /// [rolling out]: self::rolling_out
            /// [outcomes]: self::outcomes
            /// [sizing]: self::sizing
            /// [shutting down]: self::shutting_down
            /// [from a mesh]: self::from_a_mesh
            /// [conformance]: https://docs.rs/crate/tower-mirror/latest/source/docs/conformance.md
            /// [comparison]: https://docs.rs/crate/tower-mirror/latest/source/docs/comparison.md
            ///
            #[doc = include_str!(concat!("../docs/guide/", $file))]
            pub mod $chapter {}
        )*
    };
}

chapters! {
    /// The choice between the whole body, a live body, and no body.
    body_mode "body-mode.md"
    /// The choice of how many requests are copied, and which.
    sampling "sampling.md"
    /// How a shadow must treat copies that write.
    safe_writes "safe-writes.md"
    /// The steps from 1 % mirrored requests to 100 % served requests.
    rolling_out "rolling-out.md"
    /// What the numbers mean, and what they do not mean.
    outcomes "outcomes.md"
    /// The limits for copies in flight, memory and connections, with example calculations.
    sizing "sizing.md"
    /// The order of the steps of a shutdown, and their duration.
    shutting_down "shutting-down.md"
    /// The settings of Istio, Envoy, Gateway API, nginx and Traefik, and those of this crate.
    from_a_mesh "from-a-mesh.md"
}
