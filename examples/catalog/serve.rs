//! `--serve`: the same servers on fixed ports, for other tools.

use std::{
    future::IntoFuture,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpListener, time::sleep};
use tower_mirror::HttpTarget;

use crate::{
    Result,
    catalog::{Catalog, Version},
    webapp,
};

/// How long the server waits for clients after Ctrl-C, and after that for copies.
const GRACE: Duration = Duration::from_secs(1);
const WEBAPP: u16 = 9000;
const V1: u16 = 9001;
const V2: u16 = 9002;

pub(crate) async fn run() -> Result<()> {
    let webapp = SocketAddr::from((Ipv4Addr::LOCALHOST, WEBAPP));
    let listener = at(WEBAPP, TcpListener::bind(webapp).await)?;
    let v1 = at(
        V1,
        Catalog::start(Version::V1, V1, |request| println!("{request}")),
    )?;
    let v2 = at(
        V2,
        Catalog::start(Version::V2, V2, |request| println!("{request}")),
    )?;

    let mirror = webapp::mirror(HttpTarget::builder(v2.url()), |_| ())?;
    let handle = mirror.handle();
    let app = webapp::app(HttpTarget::new(&v1.url())?).layer(mirror.clone());
    println!("{mirror}\n");
    println!(
        "webapp on port {WEBAPP} answers from catalog v1 on {V1}, and mirrors to catalog v2 on {V2}.

A second terminal shows what a client receives, which never contains an imageUrl:

   curl -i -H 'Host: catalog' http://{webapp}/items
   curl -i -H 'Host: catalog' http://{webapp}/items -d '{{\"name\":\"Glasses\"}}'

A third terminal shows what v2 receives, with `Host: catalog-shadow`, and its answers, which no client receives:

   sudo tcpdump -i lo -A 'tcp port {V2} and greater 100'

Ctrl-C ends the program. The logs of both catalogs follow.
"
    );
    let serving = axum::serve(listener, app).with_graceful_shutdown(asked_to_end());
    tokio::select! {
        ended = serving.into_future() => ended?,
        () = async { asked_to_end().await; sleep(GRACE).await } => {} // a client keeps its connection open
    }
    let drained = handle.drain(GRACE).await;
    println!(
        "\n{}{} copies were aborted",
        handle.stats(),
        drained.aborted
    );
    Ok(())
}

fn at<T>(port: u16, bound: io::Result<T>) -> Result<T, String> {
    bound.map_err(|error| format!("cannot listen on port {port}: {error}"))
}

/// Ctrl-C, or SIGTERM.
async fn asked_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
