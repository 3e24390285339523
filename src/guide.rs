//! The guide: how to decide what the reference describes. This module contains no code. The chapters are the files of
//! `docs/guide`; their examples are compiled as documentation tests, and `tests/docs/guide` runs the functions in them.
//!
//! 1. [Choosing a body mode](body_mode): Is the body copied whole, live, or not at all? What about gRPC?
//! 2. [Sampling and stickiness](sampling): How many requests are copied, and which ones?
//! 3. [Safe writes](safe_writes): What may a shadow do with the requests that it receives?
//! 4. [Rolling out a version](rolling_out): How do I get from 1 % mirrored to 100 % served?
//! 5. [Reading the outcomes](outcomes): What do the numbers say, and what do they not say?
//! 6. [Is v2 right?](is_v2_right): Are the answers of v2 those of v1, and with which certainty? (feature `compare`)
//! 7. [Rolling out by the verdict](rollout_tools): How do Argo Rollouts and Flagger ask whether v2 is right?
//! 8. [Sizing the limits](sizing): How large should the limits be?
//! 9. [Shutting down](shutting_down): In which order does a process shut down?
//! 10. [Coming from a mesh](from_a_mesh): What are the settings of Istio, Envoy, Gateway API, nginx or Traefik called here?

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
            /// [outcomes]: self::outcomes
            /// [rollout tools]: self::rollout_tools
            /// [is v2 right]: self::is_v2_right
            /// [sizing]: self::sizing
            /// [shutting down]: self::shutting_down
            /// [from a mesh]: self::from_a_mesh
            /// [conformance]: https://github.com/tower-mirror/tower-mirror/blob/main/docs/conformance.md
            /// [comparison]: https://github.com/tower-mirror/tower-mirror/blob/main/docs/comparison.md
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
    /// What the numbers say, and what they do not say.
    outcomes "outcomes.md"
    /// The answers of v1 and v2 side by side, with a verdict. Needs the feature `compare`.
    is_v2_right "is-v2-right.md"
    /// Rules for Argo Rollouts and Flagger that ask whether v2 is right.
    rollout_tools "rollout-tools.md"
    /// Copies in flight, memory and connections, with calculations.
    sizing "sizing.md"
    /// In which order a process shuts down, and how long it takes.
    shutting_down "shutting-down.md"
    /// Settings of Istio, Envoy, Gateway API, nginx and Traefik, with their names here.
    from_a_mesh "from-a-mesh.md"
}
