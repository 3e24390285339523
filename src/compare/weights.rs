//! What is staked on each route and path, so that many of them do not raise the error rate.

use super::evidence;

/// From this place on a route or path has only the part of the weight that falls with its place.
const ROUTES: u32 = 64;
const PATHS: u32 = 200;

/// The weight of the `place`-th route, from 0, in the order in which the routes first appeared.
///
/// It is 1/2 * 1/(k(k+1)) + 1/2 * 1/64 for k = `place` + 1 up to 64, and the first part only from there on. The weights of all
/// routes add up to 1, however many there are.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::route_weight;
///
/// assert_eq!(route_weight(0), 0.25 + 0.5 / 64.0);
/// assert!((0..1_000).map(route_weight).sum::<f64>() < 1.0);
/// ```
#[must_use]
pub fn route_weight(place: usize) -> f64 {
    weight(place, ROUTES)
}

/// The weight of the `place`-th path of a route, from 0, in the order in which the paths first differed.
///
/// It follows the rule of [`route_weight`], with 200 in place of 64.
///
/// # Example
///
/// ```
/// use tower_mirror::compare::path_weight;
///
/// assert_eq!(path_weight(0), 0.25 + 0.5 / 200.0);
/// ```
#[must_use]
pub fn path_weight(place: usize) -> f64 {
    weight(place, PATHS)
}

fn weight(place: usize, even: u32) -> f64 {
    let k = place as f64 + 1.0;
    let falling = 0.5 / (k * (k + 1.0));
    if k <= f64::from(even) {
        falling + 0.5 / f64::from(even)
    } else {
        falling
    }
}

/// The natural logarithm of the evidence that *any* route is worse, from that of each route in the order of their first appearance.
///
/// It is the average of the e-values with the weights of [`route_weight`]. What is staked on routes that have not yet appeared stays
/// as it is. An average of e-processes is an e-process, whatever their dependence (Vovk and Wang, "E-values: calibration,
/// combination and applications", 2021).
///
/// # Example
///
/// ```
/// use tower_mirror::compare::ln_e_any_route;
///
/// assert_eq!(format!("{:.9}", ln_e_any_route(&[5.0, 0.0, -1.0])), "3.662886502");
/// assert_eq!(ln_e_any_route(&[]), 0.0);
/// ```
#[must_use]
pub fn ln_e_any_route(routes: &[f64]) -> f64 {
    average(routes, route_weight)
}

/// The natural logarithm of the evidence that *any* path of a route is worse, from that of each path in the order of their first
/// appearance. It follows the rule of [`ln_e_any_route`] with the weights of [`path_weight`].
///
/// # Example
///
/// ```
/// use tower_mirror::compare::ln_e_any_path;
///
/// // One path with much evidence outweighs many paths without any.
/// assert!(ln_e_any_path(&[0.0, 9.0, 0.0, -1.0]) > 20f64.ln());
/// ```
#[must_use]
pub fn ln_e_any_path(paths: &[f64]) -> f64 {
    average(paths, path_weight)
}

fn average(ln_e: &[f64], weight: fn(usize) -> f64) -> f64 {
    let used: f64 = (0..ln_e.len()).map(weight).sum();
    let bets = ln_e.iter().enumerate();
    let terms = bets.map(|(place, ln_e)| weight(place).ln() + ln_e);
    let rest = (1.0 - used).max(0.0).ln();
    evidence::ln_sum(terms.chain([rest]))
}
