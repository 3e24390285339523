//! The guide: how to decide what the reference describes. This module contains no code. The chapters are the files of
//! `docs/guide`; their examples are compiled as documentation tests, and `tests/docs/guide` runs the functions in them.
//!
//! 1. [Choosing a body mode](body_mode): Is the body copied whole, live, or not at all? What about gRPC?
//! 2. [Sampling and stickiness](sampling): How many requests are copied, and which ones?
//! 3. [Safe writes](safe_writes): What may a shadow do with the requests that it receives?
//! 4. [Rolling out a version](rolling_out): How do I get from 1 % mirrored to 100 % served?
//! 5. [Rolling out by the verdict](rollout_tools): rules for Argo Rollouts and Flagger
//! 6. [Reading the outcomes](outcomes): What do the numbers say, and what do they not say?
//! 7. [Sizing the limits](sizing): How large should the limits be?
//! 8. [Shutting down](shutting_down): In which order does a process shut down?
//! 9. [Coming from a mesh](from_a_mesh): What are the settings of Istio, Envoy, Gateway API, nginx or Traefik called here?

// The first definition of a link counts: in rustdoc the chapters link to modules, in the repository to files.
macro_rules! chapters {
    ($($(#[$summary:meta])* $chapter:ident $file:literal)*) => {
        $(
            $(#[$summary])*
            ///
            /// [body modes]: self::body_mode
            /// [sampling]: self::sampling
            /// [safe writes]: self::safe_writes
            /// [rolling out]: self::rolling_out
            /// [rollout tools]: self::rollout_tools
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
    /// Whole bodies, live bodies, or no bodies.
    body_mode "body-mode.md"
    /// How many requests are copied, and which ones.
    sampling "sampling.md"
    /// What a shadow may do with the requests that it receives.
    safe_writes "safe-writes.md"
    /// From 1 % mirrored to 100 % served, step by step.
    rolling_out "rolling-out.md"
    /// Rules for Argo Rollouts and Flagger that ask whether v2 is right.
    rollout_tools "rollout-tools.md"
    /// What the numbers say, and what they do not say.
    outcomes "outcomes.md"
    /// Copies in flight, memory and connections, with calculations.
    sizing "sizing.md"
    /// In which order a process shuts down, and how long it takes.
    shutting_down "shutting-down.md"
    /// Settings of Istio, Envoy, Gateway API, nginx and Traefik, with their names here.
    from_a_mesh "from-a-mesh.md"
}
