//! The servers and clients that are trusted, and those that are not.

use std::{env, fs, process::Command};

use axum::Router;
use http::Version;
use tokio_rustls::rustls::ALL_VERSIONS;
use tower_mirror::client::{HttpTarget, InvalidTls, InvalidUrl, Tls};

use super::{
    all_closed,
    certificates::{Authority, NAME},
    get, io_error, send,
    server::{BOTH, HTTP1, HTTP2, OLD, Server, believing, config, named, strict_config},
    version, within,
};

#[tokio::test]
async fn by_default_the_name_asked_for_is_that_of_the_url() {
    let authority = Authority::new();
    for (host, name, asked_for) in [
        // Clients send only names in SNI, but an address must also be in the certificate.
        ("127.0.0.1", None, None),
        ("localhost", None, Some("localhost")),
        ("127.0.0.1", Some(NAME), Some(NAME)),
        ("localhost", Some("127.0.0.1"), None),
    ] {
        let identity = authority.issue(name.unwrap_or(host));
        let server = Server::start(config(&identity), BOTH).await;
        let mut tls = believing(&authority);
        if let Some(name) = name {
            tls = tls.server_name(name).unwrap();
        }
        let url = format!("https://{host}:{}", server.address.port());
        let target = HttpTarget::builder(&url).tls(tls).build().unwrap();
        assert_eq!(version(&target).await, Version::HTTP_2);
        assert_eq!(server.client().asked_for.as_deref(), asked_for, "{url}");
    }
}

#[tokio::test]
async fn who_cannot_be_believed_is_sent_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (what, identity, says) in [
        ("another authority", other.issue(NAME), "UnknownIssuer"),
        ("another name", authority.issue("other.test"), NAME),
        ("a past date", authority.issue_expired(NAME), "expired"),
    ] {
        for protocols in [HTTP1, HTTP2] {
            let server = Server::start(config(&identity), protocols).await;
            let target = server.target(believing(&authority).server_name(NAME).unwrap());
            let error = send(&target, get()).await.unwrap_err();
            assert!(error.is_connect(), "{what}: {error:?}");
            let why = io_error(&error).to_string();
            assert!(why.contains(says), "{what}: {why}");
            all_closed(&target).await;
            server.all_closed().await;
            assert_eq!(server.app.seen().len(), 0, "{what}");
        }
    }
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let known = clients.issue_for_clients("me");
    let unknown = authority.issue_for_clients("me");
    for versions in [ALL_VERSIONS, OLD] {
        for protocols in [HTTP1, HTTP2] {
            for (identity, is_let_in) in
                [(Some(&known), true), (Some(&unknown), false), (None, false)]
            {
                let config = strict_config(&authority.issue(NAME), &clients, versions);
                let server = Server::start(config, protocols).await;
                let mut tls = believing(&authority).server_name(NAME).unwrap();
                if let Some(me) = identity {
                    let (chain, key) = (me.chain.as_bytes(), me.key.as_bytes());
                    tls = tls.client_certificate(chain, key).unwrap();
                }
                let target = server.target(tls);
                if is_let_in {
                    version(&target).await;
                    assert!(server.client().has_certificate);
                    continue;
                }
                let error = send(&target, get()).await.unwrap_err();
                // With TLS 1.2 it is refused during the handshake, and with TLS 1.3 after the
                // handshake.
                let is_old = versions.len() == 1;
                assert!(error.is_connect() || !is_old && error.is_transport());
                io_error(&error);
                all_closed(&target).await;
                assert_eq!(server.app.seen().len(), 0);
            }
        }
    }
    // A server that does not request a certificate receives none.
    let (server, tls) = named(BOTH).await;
    let tls = tls.client_certificate(known.chain.as_bytes(), known.key.as_bytes());
    version(&server.target(tls.unwrap())).await;
    assert!(!server.client().has_certificate);
}

#[tokio::test]
async fn a_server_without_tls_is_no_https_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(async || -> &str { panic!("the server received a request") });
    tokio::spawn(axum::serve(listener, app).into_future());
    let tls = believing(&Authority::new());
    let target = HttpTarget::builder(format!("https://{address}"))
        .tls(tls)
        .build()
        .unwrap();
    let error = send(&target, get()).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    io_error(&error);
    all_closed(&target).await;
}

#[tokio::test]
async fn a_server_with_tls_is_no_http_server() {
    let (server, _) = named(BOTH).await;
    let builder = HttpTarget::builder(format!("http://{}", server.address));
    for builder in [builder.clone(), builder.http2()] {
        let target = builder.build().unwrap();
        let error = send(&target, get()).await.unwrap_err();
        assert!(error.is_transport() || error.is_connect(), "{error:?}");
        all_closed(&target).await;
    }
    assert_eq!(server.app.seen().len(), 0);
}

/// Runs a test in a separate process, because the environment decides where the platform's roots
/// are.
#[tokio::test]
async fn a_url_alone_believes_the_platform() {
    const URL: &str = "TLS_TEST_URL";
    let name = "trust::a_url_alone_believes_the_platform";
    if let Ok(url) = env::var(URL) {
        match HttpTarget::new(&url) {
            Ok(target) => assert_eq!(version(&target).await, Version::HTTP_2),
            Err(error) => {
                assert!(matches!(
                    &error,
                    InvalidUrl::Tls(_, InvalidTls::PlatformRoots(_))
                ));
                panic!("{error}");
            }
        }
        return;
    }

    let authority = Authority::new();
    let server = Server::start(config(&authority.issue("127.0.0.1")), BOTH).await;
    let folder = env::temp_dir().join(format!("tower-mirror-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (known, unknown, none) = (
        folder.join("known.pem"),
        folder.join("unknown.pem"),
        folder.join("none.pem"),
    );
    fs::write(&known, authority.pem()).unwrap();
    fs::write(&unknown, Authority::new().pem()).unwrap();
    fs::write(&none, "").unwrap();
    let mut said = Vec::new();
    for roots in [&known, &unknown, &none] {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture"]);
        child.env(URL, server.url()).env("SSL_CERT_FILE", roots);
        child.env_remove("SSL_CERT_DIR");
        let child = tokio::task::spawn_blocking(move || child.output());
        let output = within(child).await.unwrap().unwrap();
        let text = [output.stdout, output.stderr].concat();
        said.push((output.status.success(), String::from_utf8(text).unwrap()));
    }
    fs::remove_dir_all(&folder).unwrap();
    assert!(said[0].0 && said[0].1.contains("1 passed"), "{said:?}");
    assert!(
        !said[1].0 && said[1].1.contains("UnknownIssuer"),
        "{said:?}"
    );
    assert!(!said[2].0 && said[2].1.contains("no roots from the platform"));
    assert_eq!(server.app.seen().len(), 1);
}

#[test]
fn what_cannot_be_believed_or_shown_is_said_at_once() {
    let authority = Authority::new();
    let (me, other) = (authority.issue("me"), authority.issue("other"));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "nonsense", &me.key, broken, &(authority.pem() + broken)] {
        let error = Tls::with_roots(pem.as_bytes()).unwrap_err();
        assert!(matches!(error, InvalidTls::Roots(_)), "{error}");
    }
    let show = |chain: &str, key: &str| {
        let tls = believing(&authority);
        let error = tls.client_certificate(chain.as_bytes(), key.as_bytes());
        error.unwrap_err()
    };
    for chain in ["", "nonsense", &me.key, broken] {
        let error = show(chain, &me.key);
        assert!(matches!(error, InvalidTls::ClientCertificate(_)), "{error}");
    }
    let empty = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for key in ["", "nonsense", &me.chain, empty, &other.key] {
        let error = show(&me.chain, key);
        assert!(matches!(error, InvalidTls::ClientKey(_)), "{error}");
    }
    for name in ["", "a b", "a..b", "https://a", "a:443", "[::1]"] {
        let error = believing(&authority).server_name(name).unwrap_err();
        assert_eq!(error, InvalidTls::ServerName(name.to_owned()));
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
}

#[test]
fn a_url_with_tls_is_an_https_url() {
    let tls = believing(&Authority::new());
    for (url, authority) in [
        ("https://catalog.test", "catalog.test"),
        ("HTTPS://Catalog:8443/", "Catalog:8443"),
        ("https://[::1]", "[::1]"),
        ("https://127.0.0.1:9", "127.0.0.1:9"),
    ] {
        let target = HttpTarget::builder(url).tls(tls.clone()).build().unwrap();
        assert_eq!(target.authority(), authority);
    }
    let refused = |url: &str| {
        HttpTarget::builder(url)
            .tls(tls.clone())
            .build()
            .unwrap_err()
    };
    let plain = "http://catalog.test";
    assert_eq!(refused(plain), InvalidUrl::NotHttps(plain.to_owned()));
    let path = "https://catalog.test/v2";
    assert_eq!(refused(path), InvalidUrl::Path(path.to_owned()));
    let error = refused("https://a..b");
    let why = InvalidTls::ServerName("a..b".to_owned());
    assert_eq!(error, InvalidUrl::Tls("https://a..b".to_owned(), why));
    assert!(error.to_string().contains("\"https://a..b\""), "{error}");
}
