//! The example `soak`: the outcomes in its output.

use super::run;

/// The outcomes that this traffic must have.
const MET: [&str; 6] = [
    "  completed\n",
    "  failed_connect\n",
    "  failed_transport\n",
    "  loop\n",
    "  filtered\n",
    "  in_flight_limit\n",
];

#[tokio::test]
async fn a_short_soak_leaves_nothing_over() {
    let arguments = "--requests 16000 --round 4000 --seconds 120 --seed 11";
    let arguments: Vec<_> = arguments.split(' ').collect();
    let output = run("soak", &arguments).await;
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !shown.contains("FAILED") && complaints.is_empty(),
        "{}\n{shown}{complaints}",
        output.status
    );
    for met in MET {
        assert!(shown.contains(met), "no {met:?} in\n{shown}");
    }
}
