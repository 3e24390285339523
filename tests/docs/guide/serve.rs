//! A server that is drained, and then its mirror.

use std::{io, time::Duration};

use axum::Router;
use tokio::net::TcpListener;
use tower_mirror::MirrorHandle;

/// Serves until `stop` resolves, for example at SIGTERM.
async fn serve(
    listener: TcpListener,
    app: Router,
    mirror: MirrorHandle,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = async {
        stop.await;
        drop(stopping);
    };
    let server = axum::serve(listener, app).with_graceful_shutdown(stop);
    let deadline = async {
        let _ = stopped.await; // the time starts when the server stops accepting
        tokio::time::sleep(Duration::from_secs(15)).await;
    };
    tokio::select! {
        ended = server => ended?,
        () = deadline => eprintln!("some clients kept their connections open"),
    }
    let drained = mirror.drain(Duration::from_secs(5)).await;
    println!(
        "{} copies aborted, {} left\n{}",
        drained.aborted,
        drained.left,
        mirror.stats()
    );
    Ok(())
}

mod tests {
    use axum::{Router, routing::post};
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use tokio::net::TcpListener;
    use tower::ServiceExt;
    use tower_mirror::{HttpTarget, MirrorLayer, Outcome};

    use super::serve;

    #[tokio::test]
    async fn the_copy_of_the_last_request_ends() {
        let echo = || Router::<()>::new().route("/", post(async |body: String| body));
        let mirror = MirrorLayer::new(echo());
        let app = echo().layer(mirror.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(serve(listener, app, mirror.handle(), stopped));
        let request = Request::post("/")
            .body(Full::<Bytes>::from("hello"))
            .unwrap();
        let answer = HttpTarget::new(&url)
            .unwrap()
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(
            answer.into_body().collect().await.unwrap().to_bytes(),
            "hello"
        );
        drop(stop);
        serving.await.unwrap().unwrap();
        let stats = mirror.handle().stats();
        assert_eq!(stats.outcome(Outcome::Completed), 1);
        assert_eq!(stats.in_flight(), 0);
    }
}
