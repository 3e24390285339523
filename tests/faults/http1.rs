//! Faults of shadows that use HTTP/1.1, or that violate it.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_mirror::Outcome::{self, *};

use crate::{
    cell::{Cell, Expected, in_every_cell},
    shadow::{Shadow, hold, pace, read_on, reset, trickle},
};

/// The part of a request that is read before the response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reads {
    Head,
    SomeBody,
    All,
}

/// The action after the response was written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Reset,
    Close,
    HalfClose,
    Stays,
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Reads one request up to this part. A response at the wrong time is still a response, so the
/// framing shows how much was read.
async fn read_request(stream: &mut TcpStream, reads: Reads) -> io::Result<()> {
    let mut seen = Vec::new();
    let end = loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&seen[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    assert!(
        !head.contains("chunked"),
        "every request here declares its length"
    );
    let wanted = match reads {
        Reads::Head => 0,
        Reads::SomeBody => length.min(1),
        Reads::All => length,
    };
    while seen.len() - end < wanted {
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn then(mut stream: TcpStream, then: Then) -> io::Result<()> {
    match then {
        Then::Reset => reset(stream),
        Then::Close => Ok(()),
        Then::HalfClose => {
            stream.shutdown().await?;
            read_on(&mut stream).await
        }
        Then::Stays => read_on(&mut stream).await,
    }
}

/// Creates the variants of a fault.
fn in_typical(expected: Expected) -> impl Fn(Cell) -> Option<Expected> {
    move |cell| cell.is_typical().then_some(expected)
}

fn in_all(expected: Expected) -> impl Fn(Cell) -> Option<Expected> {
    move |_| Some(expected)
}

/// Reads a request, writes these bytes, and then acts.
fn script(reads: Reads, answer: &'static [u8], end: Then, expected: Expected) {
    script_where(in_all(expected), reads, answer, end);
}

fn script_where(
    expected: impl Fn(Cell) -> Option<Expected>,
    reads: Reads,
    answer: &'static [u8],
    end: Then,
) {
    in_every_cell(false, expected, |_| {
        Shadow::start(move |_, mut stream| async move {
            read_request(&mut stream, reads).await?;
            stream.write_all(answer).await?;
            then(stream, end).await
        })
    });
}

#[test]
fn refuses() {
    in_every_cell(false, in_all(&[FailedConnect]), |_| Shadow::refusing());
}

#[test]
fn accepts_and_never_reads() {
    in_every_cell(false, in_all(&[TimedOut]), |_| {
        Shadow::start(|_, stream| async move { hold(&stream).await })
    });
}

#[test]
fn reads_one_byte_a_second() {
    in_every_cell(false, in_all(&[TimedOut]), |_| {
        Shadow::start(|_, mut stream| async move { trickle(&mut stream).await })
    });
}

#[test]
fn reads_all_and_never_answers() {
    script(Reads::All, b"", Then::Stays, &[TimedOut]);
}

/// The reset arrives before the copy is passed to the connection, or after that.
#[test]
fn resets_on_accept() {
    in_every_cell(false, in_all(&[FailedConnect, FailedTransport]), |_| {
        Shadow::start(|_, stream| async move { reset(stream) })
    });
}

#[test]
fn resets_after_the_head() {
    script(Reads::Head, b"", Then::Reset, &[FailedTransport]);
}

#[test]
fn resets_in_the_middle_of_the_body() {
    let with_body = |cell: Cell| (cell.copied() > 0).then_some(&[FailedTransport][..]);
    script_where(with_body, Reads::SomeBody, b"", Then::Reset);
}

#[test]
fn resets_after_the_body() {
    script(Reads::All, b"", Then::Reset, &[FailedTransport]);
}

#[test]
fn resets_in_the_middle_of_the_answers_head() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-le";
    script(Reads::All, answer, Then::Reset, &[FailedTransport]);
}

#[test]
fn resets_in_the_middle_of_the_answers_body() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    script(Reads::All, answer, Then::Reset, &[FailedTransport]);
}

#[test]
fn closes_at_each_stage() {
    for (reads, answer) in [
        (Reads::All, &b""[..]),
        (Reads::All, b"HTTP/1.1 200 OK\r\ncontent-le"),
        (
            Reads::All,
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        ),
        (
            Reads::All,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
    ] {
        script_where(in_typical(&[FailedTransport]), reads, answer, Then::Close);
    }
}

#[test]
fn half_closes_without_an_answer() {
    script(Reads::All, b"", Then::HalfClose, &[FailedTransport]);
    script(Reads::Head, b"", Then::HalfClose, &[FailedTransport]);
}

#[test]
fn half_closes_after_the_answer() {
    script(Reads::All, OK, Then::HalfClose, &[Completed]);
}

#[test]
fn answers_before_the_request_ends_and_reads_on() {
    script(Reads::Head, OK, Then::Stays, &[Completed]);
}

/// The unread part of the body turns the close into a reset. The reset may or may not arrive before
/// the response.
#[test]
fn answers_before_the_request_ends_and_closes() {
    let expected = |cell: Cell| match cell.copied() {
        0 => Some(&[Completed][..]),
        _ => Some(&[Completed, FailedTransport][..]),
    };
    script_where(expected, Reads::Head, OK, Then::Close);
}

/// The kernel has accepted bytes of a body whose request was already answered. They cannot be
/// revoked, and the server reads them at the end.
#[test]
fn answers_before_the_request_ends_and_reads_on_late() {
    in_every_cell(false, in_all(&[Completed]), |_| {
        Shadow::start(|_, mut stream| async move {
            read_request(&mut stream, Reads::Head).await?;
            stream.write_all(OK).await?;
            pace(300).await;
            read_on(&mut stream).await
        })
    });
}

/// Bytes that arrive before the request was written belong to no request. If they arrive too late
/// to be recognised as such, they look like an invalid response.
#[test]
fn answers_before_the_request_begins() {
    const GARBAGE: &[u8] = b"220 smtp.example ESMTP\r\n";
    in_every_cell(false, in_all(&[FailedConnect, FailedTransport]), |_| {
        Shadow::start(|_, mut stream| async move {
            stream.write_all(GARBAGE).await?;
            read_on(&mut stream).await
        })
    });
}

#[test]
fn answers_garbage() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\x04\0\0\0\0\0",
        b"HTTP/3.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
    ] {
        script_where(
            in_typical(&[FailedTransport]),
            Reads::All,
            garbage,
            Then::Stays,
        );
    }
}

#[test]
fn answers_with_framing_that_contradicts_itself() {
    for head in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nokok\r\n0\r\n\r\n",
    ] {
        script_where(
            in_typical(&[FailedTransport]),
            Reads::All,
            head,
            Then::Stays,
        );
    }
}

/// These responses are unusual, but complete.
#[test]
fn answers_in_odd_ways_that_are_http() {
    for (answer, end) in [
        // A response without a length ends with the connection.
        (&b"HTTP/1.1 200 OK\r\n\r\nok"[..], Then::Close),
        (b"HTTP/1.0 200 OK\r\n\r\nok", Then::Close),
        (
            b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Then::Stays,
        ),
        (
            b"HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n",
            Then::Stays,
        ),
        (
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            Then::Stays,
        ),
        (
            b"HTTP/1.1 999 \r\ncontent-length: 2\r\n\r\nok",
            Then::Stays,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nx-sum: 1\r\n\r\n",
            Then::Stays,
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Then::Stays,
        ),
        // There are more bytes than declared. They belong neither to this response nor to another.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokokokok", Then::Stays),
    ] {
        script_where(in_typical(&[Completed]), Reads::All, answer, end);
    }
}

/// Writes the first bytes, and then repeats the second bytes this number of times.
fn endless(first: &'static [u8], then: &'static [u8], times: usize, expected: Expected) {
    in_every_cell(false, in_typical(expected), |_| {
        Shadow::start(move |_, mut stream| async move {
            read_request(&mut stream, Reads::All).await?;
            stream.write_all(first).await?;
            for _ in 0..times {
                stream.write_all(then).await?;
            }
            read_on(&mut stream).await
        })
    });
}

#[test]
fn answers_for_ever() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    const MORE: &[u8] = b"4\r\nmore\r\n";
    endless(CHUNKED, MORE, usize::MAX, &[CompletedTruncated]);
    endless(
        b"HTTP/1.1 200 OK\r\n\r\n",
        MORE,
        usize::MAX,
        &[CompletedTruncated],
    );
    endless(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n",
        MORE,
        usize::MAX,
        &[CompletedTruncated],
    );
}

#[test]
fn stops_in_the_middle_of_an_answer() {
    for answer in [
        &b"HTTP/1.1 200 O"[..],
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ] {
        script_where(in_typical(&[TimedOut]), Reads::All, answer, Then::Stays);
    }
}

#[test]
fn answers_with_a_huge_head() {
    const LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
    const FIELD: &[u8] = b"x-more: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
    // The heads have many fields, one long field, or one field that never ends.
    endless(LINE, FIELD, 200, &[TimedOut]);
    // The connection may break before it shows that the head is too large.
    let too_large = &[ResponseHeadTooLarge, FailedTransport];
    endless(LINE, FIELD, 100_000, too_large);
    endless(
        b"HTTP/1.1 200 OK\r\nx-more: ",
        b"xxxxxxxxxxxxxxxx",
        usize::MAX,
        too_large,
    );
    endless(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        FIELD,
        usize::MAX,
        &[FailedTransport],
    );
    endless(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
        b"xxxxxxxxxxxxxxxx",
        usize::MAX,
        &[FailedTransport],
    );
}

#[test]
fn announces_an_answer_for_ever() {
    const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";
    endless(HINT, HINT, usize::MAX, &[TimedOut]);
}

#[test]
fn announces_an_answer_thousands_of_times() {
    const EXPECTED: &[Outcome] = &[Completed];
    in_every_cell(false, in_all(EXPECTED), |_| {
        Shadow::start(move |_, mut stream| async move {
            read_request(&mut stream, Reads::All).await?;
            for _ in 0..5000 {
                stream
                    .write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                    .await?;
            }
            stream.write_all(OK).await?;
            read_on(&mut stream).await
        })
    });
}
