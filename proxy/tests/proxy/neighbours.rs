//! An upstream that hangs, or whose responses do not end, takes no connection and no memory from the other upstream.

use std::{fs, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    client::Client,
    split::{of_urls, served_by},
    upstream::Upstream,
    within,
};

/// More than twice the connections that the proxy has for an upstream by default.
const REQUESTS: usize = 320;

#[tokio::test]
async fn an_upstream_that_hangs_does_not_delay_the_other() {
    let v1 = Upstream::echo().await;
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let v2 = format!("http://{}", hung.local_addr().unwrap());
    let open = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = hung.accept().await {
            open.push(stream);
        }
    });
    let proxy = of_urls([50, 50], [&v1.url(), &v2], &[]).await;
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let url = proxy.url("/");
        requests.spawn(async move { Client::http1().post(&url, "hello").await });
    }
    // An even draw is within five of its share at any time.
    let mut answered = 0;
    while answered < REQUESTS / 2 - 5 {
        let answer = within("an answer", requests.join_next()).await;
        let answer = answer.unwrap().unwrap();
        if served_by(&answer).as_deref() == Some("v1") {
            assert_eq!(answer.body, "hello");
            answered += 1;
        }
    }
    assert!(v1.unread() >= answered);
    open.abort();
}

/// A response whose body does not end.
async fn endless(mut stream: TcpStream) -> std::io::Result<()> {
    stream.read_buf(&mut Vec::with_capacity(4096)).await?;
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    stream.write_all(head).await?;
    loop {
        stream.write_all(&[b'x'; 64 << 10]).await?;
    }
}

/// The subset that answered a GET, and what has arrived of the response so far.
async fn head(proxy: SocketAddr) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {proxy}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("a head", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let by = head
        .lines()
        .find_map(|line| line.strip_prefix("x-served-by: "));
    (by.unwrap().to_owned(), stream)
}

/// The most memory that the process has used, in KiB.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[tokio::test]
async fn an_upstream_without_an_end_takes_no_memory() {
    const EACH: usize = 32 << 20;
    let v1 = Upstream::echo().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let v2 = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(endless(stream));
        }
    });
    let proxy = of_urls([50, 50], [&v1.url(), &v2], &[]).await;
    let before = peak(proxy.process());
    // Of these responses only the heads are read.
    let mut unread = Vec::new();
    while unread.len() < 8 {
        let (by, stream) = head(proxy.address).await;
        if by == "v2" {
            unread.push(stream);
        }
    }
    // Of these as much as would fill the memory if it was kept.
    let mut served = 0;
    while served < 8 {
        let (by, mut stream) = head(proxy.address).await;
        if by == "v2" {
            let mut part = vec![0; 64 << 10];
            for _ in 0..EACH / part.len() {
                within("a part", stream.read_exact(&mut part))
                    .await
                    .unwrap();
            }
            served += 1;
        }
    }
    let grown = (peak(proxy.process()) - before) << 10;
    assert!(grown < EACH as u64, "{grown} bytes");
    while head(proxy.address).await.0 != "v1" {}
}
