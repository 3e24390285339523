//! Counters, gauges and histograms for the [`metrics`](https://docs.rs/metrics) facade and the
//! exporter that the program has installed. This module needs the feature `metrics`.
//!
//! A mirror and a split always count. [`record_mirror`] and [`record_split`] copy their counts to
//! the exporter. A program calls these functions when metrics are read or pushed, so that they do
//! not slow down requests. Durations must be recorded when they occur: [`MetricsObserver`], which
//! is an [`Observer`](crate::observe::Observer), does this for each request that has a copy.
//!
//! | metric of a mirror | kind | unit | labels |
//! |---|---|---|---|
//! | `tower_mirror_requests_total` | counter | requests whose outcome is known | `mirror`, `outcome` |
//! | `tower_mirror_admitted_total` | counter | copies that were begun | `mirror` |
//! | `tower_mirror_statuses_total` | counter | copies whose primary has ended too | `mirror`, `primary`, `shadow` |
//! | `tower_mirror_observer_panics_total` | counter | panics | `mirror` |
//! | `tower_mirror_in_flight` | gauge | copies | `mirror` |
//! | `tower_mirror_buffered_bytes` | gauge | bytes, as `max_buffered_bytes` counts them | `mirror` |
//! | `tower_mirror_sample_ratio` | gauge | configured share of copied requests, from 0 to 1 | `mirror` |
//! | `tower_mirror_paused` | gauge | 1 while the mirror is paused, else 0 | `mirror` |
//! | `tower_mirror_primary_latency_seconds` | histogram | seconds to the head of the response, or to the end if there is no response | `mirror` |
//! | `tower_mirror_shadow_latency_seconds` | histogram | seconds to the head of the response | `mirror` |
//! | `tower_mirror_request_bytes` | histogram | bytes of the copied body | `mirror` |
//! | `tower_mirror_response_bytes` | histogram | received bytes of the body of the shadow's response | `mirror` |
//!
//! | metric of a split | kind | unit | labels |
//! |---|---|---|---|
//! | `tower_mirror_split_requests_total` | counter | requests that the subset served | `split`, `subset`, `reason` |
//! | `tower_mirror_split_unready_total` | counter | requests for which the subset was not ready | `split`, `subset` |
//! | `tower_mirror_split_refused_total` | counter | requests that no subset served | `split`, `reason` |
//! | `tower_mirror_split_unknown_forced_total` | counter | trusted requests that named an unknown subset | `split` |
//! | `tower_mirror_split_policy_panics_total` | counter | panics | `split` |
//! | `tower_mirror_split_weight` | gauge | weight in force | `split`, `subset` |
//! | `tower_mirror_split_configured_ratio` | gauge | share by weight, from 0 to 1 | `split`, `subset` |
//! | `tower_mirror_split_generation` | gauge | changes of weights | `split` |
//!
//! | of a comparison (feature `compare`) | kind | unit | labels |
//! |---|---|---|---|
//! | `tower_mirror_compared_total` | counter | compared requests after the warm-up, over all resets | `mirror`, `route`, `result` |
//! | `tower_mirror_not_compared_total` | counter | mirrored requests that were not compared | `mirror`, `reason` |
//! | `tower_mirror_not_judged_total` | counter | compared requests of which nothing of the body could be judged | `mirror`, `route` |
//! | `tower_mirror_compare_seconds_total` | counter | seconds for which the comparing thread has worked | `mirror` |
//! | `tower_mirror_evidence` | gauge | nats, of this replica | `mirror`, `route`, `test` |
//! | `tower_mirror_verdict` | gauge | 1 for the verdict of this replica, else 0 | `mirror`, `verdict` |
//! | `tower_mirror_verdict_missing` | gauge | requests that PASS still needs, NaN if there is no such number | `mirror` |
//! | `tower_mirror_compare_held_bytes` | gauge | bytes of answers that wait for their comparison | `mirror` |
//!
//! Every label has few values, and no value comes from a request. `mirror` and `split` are the
//! names with which the mirror and the split were built; the metrics of two mirrors with the same
//! name would be mixed. `subset` is the name of a subset, and `outcome` is one of
//! [`Outcome`](crate::Outcome). `primary` and `shadow` are the names of status classes, as in
//! [`StatusClass`](crate::StatusClass). `reason` is `forced`, `keyed`, `weighted` or `fallback` for
//! served requests, and `no_weight` or `not_ready` for refused requests. A
//! [route](crate::MirrorBuilder::route_label) is a label only for comparisons, which distinguish at
//! most 64 routes. Their `result` is `equal`, `shadow_only`, `baseline_only` or `both`, and `test`
//! is `above` or `below`. All other counters exist after the first recording, also those that are zero.
//!
//! The names follow the conventions of Prometheus, and end with their unit: see [Metric and label
//! naming](https://prometheus.io/docs/practices/naming/).
//!
//! # Example
//!
//! ```
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//! use tower_mirror::{MirrorLayer, WeightedSplit, metrics};
//! # use http::{Request, Response};
//! # use tower::service_fn;
//! # use tower_mirror::ShadowBody;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let shadow = service_fn(async |_: Request<ShadowBody>| Ok::<_, std::io::Error>(Response::new(String::new())));
//! # let v1 = service_fn(async |_: Request<String>| Ok::<_, std::io::Error>(Response::new(String::new())));
//! # let v2 = v1.clone();
//!
//! // Without configured buckets, this exporter makes summaries of histograms.
//! let prometheus = PrometheusBuilder::new()
//!     .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &[0.005, 0.025, 0.1, 0.5, 2.5, 10.0])?
//!     .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &[0.0, 1024.0, 65536.0, 1048576.0])?
//!     .install_recorder()?;
//!
//! let mirror = MirrorLayer::builder(shadow).observe_with(metrics::MetricsObserver::new()).build();
//! let split = WeightedSplit::builder("catalog").subset("v1", 90, v1).subset("v2", 10, v2).build()?;
//!
//! let (mirror, split) = (mirror.handle(), split.handle());
//! let answer_to_a_scrape = || {
//!     metrics::record_mirror(&mirror);
//!     metrics::record_split(&split);
//!     prometheus.render()
//! };
//! let text = answer_to_a_scrape();
//! assert!(text.contains(r#"tower_mirror_requests_total{mirror="mirror",outcome="completed"} 0"#));
//! assert!(text.contains(r#"tower_mirror_split_weight{split="catalog",subset="v1"} 90"#));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "compare")]
mod compare;
mod mirror;
mod observer;
mod split;

#[cfg(feature = "compare")]
pub use self::compare::record_compare;
pub use self::{mirror::record_mirror, observer::MetricsObserver, split::record_split};
