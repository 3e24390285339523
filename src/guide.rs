//! The guide: how to decide what the reference describes. No code lives here; the chapters are the files of
//! `docs/guide`, and their examples are tests.
//!
//! 1. [Choosing a body mode](body_mode): whole, live, or none
//! 2. [Sampling and stickiness](sampling): how many, and which
//! 3. [Safe writes](safe_writes): what a shadow may do
//! 4. [Rolling out a version](rolling_out): from 1 % mirrored to 100 % served
//! 5. [Reading the outcomes](outcomes): what the numbers say, and what they do not
//! 6. [Sizing the limits](sizing): with worked numbers
//! 7. [Shutting down](shutting_down): in which order
//! 8. [Coming from a mesh](from_a_mesh): the settings of Istio, Envoy, Gateway API, nginx and Traefik, and ours

// A definition that comes first wins: here the chapters link to modules, in the repository to files.
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
    /// Whole, live, or none.
    body_mode "body-mode.md"
    /// How many requests, and which.
    sampling "sampling.md"
    /// What a shadow may do with what it is sent.
    safe_writes "safe-writes.md"
    /// Step by step, from 1 % mirrored to 100 % served.
    rolling_out "rolling-out.md"
    /// What the numbers say, and what they do not.
    outcomes "outcomes.md"
    /// In flight, memory and connections, with worked numbers.
    sizing "sizing.md"
    /// In which order, and for how long.
    shutting_down "shutting-down.md"
    /// Settings of Istio, Envoy, Gateway API, nginx and Traefik, and ours.
    from_a_mesh "from-a-mesh.md"
}
