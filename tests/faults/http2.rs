//! Faults of shadows that use HTTP/2, or that violate it.

use std::io;

use tokio::io::AsyncWriteExt;
use tower_mirror::Outcome::*;

use crate::{
    cell::{Cell, Expected, in_every_cell},
    shadow::{Shadow, hold, read_on, reset, trickle},
};
use tower_mirror_testing::frames::*;

/// Creates the variants of a fault.
fn in_typical(expected: Expected) -> impl Fn(Cell) -> Option<Expected> {
    move |cell| cell.is_typical().then_some(expected)
}

fn in_all(expected: Expected) -> impl Fn(Cell) -> Option<Expected> {
    move |_| Some(expected)
}

/// The action after the response was written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Reset,
    Close,
    HalfClose,
    Stays,
}

async fn then(mut peer: Peer, then: Then) -> io::Result<()> {
    match then {
        Then::Reset => reset(peer.stream),
        Then::Close => Ok(()),
        Then::HalfClose => {
            peer.stream.shutdown().await?;
            read_on(&mut peer.stream).await
        }
        Then::Stays => peer.read_on().await,
    }
}

/// The part of a request that is read before the response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reads {
    Head,
    SomeBody,
    All,
}

async fn read_request(peer: &mut Peer, reads: Reads) -> io::Result<u32> {
    let (stream, is_whole) = peer.request().await?;
    match reads {
        Reads::All if !is_whole => peer.body(stream).await?,
        Reads::SomeBody if !is_whole => while peer.next().await?.0 != DATA {},
        _ => {}
    }
    Ok(stream)
}

/// A server with these settings. It reads a request, writes the frames that `answer` makes for the
/// stream, and then acts.
fn script_where(
    expected: impl Fn(Cell) -> Option<Expected>,
    said: &'static [(u16, u32)],
    reads: Reads,
    answer: impl Fn(u32) -> Vec<u8> + Copy + Send + Sync + 'static,
    end: Then,
) {
    in_every_cell(true, expected, |_| {
        Shadow::start(move |_, stream| async move {
            let mut peer = Peer::greet(stream, said).await?;
            let stream = read_request(&mut peer, reads).await?;
            peer.write(&answer(stream)).await?;
            then(peer, end).await
        })
    });
}

fn script(
    reads: Reads,
    answer: impl Fn(u32) -> Vec<u8> + Copy + Send + Sync + 'static,
    end: Then,
    expected: Expected,
) {
    script_where(in_all(expected), &[], reads, answer, end);
}

fn nothing(_: u32) -> Vec<u8> {
    Vec::new()
}

/// A response whose body continues.
fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, STATUS_200)
}

fn half(stream: u32) -> Vec<u8> {
    [head(stream), frame(DATA, NOTHING, stream, b"half")].concat()
}

fn whole(stream: u32) -> Vec<u8> {
    [head(stream), frame(DATA, END_STREAM, stream, b"whole")].concat()
}

fn rst(stream: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, NOTHING, stream, &reason.to_be_bytes())
}

fn goaway(last: u32, reason: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), reason.to_be_bytes()].concat();
    frame(GOAWAY, NOTHING, 0, &payload)
}

#[test]
fn refuses() {
    in_every_cell(true, in_all(&[FailedConnect]), |_| Shadow::refusing());
}

#[test]
fn accepts_and_never_reads() {
    in_every_cell(true, in_all(&[TimedOut]), |_| {
        Shadow::start(|_, stream| async move { hold(&stream).await })
    });
}

#[test]
fn reads_one_byte_a_second() {
    in_every_cell(true, in_all(&[TimedOut]), |_| {
        Shadow::start(|_, mut stream| async move { trickle(&mut stream).await })
    });
}

#[test]
fn reads_all_and_never_answers() {
    script(Reads::All, nothing, Then::Stays, &[TimedOut]);
}

/// The reset arrives before the copy is passed to the connection, or after that.
#[test]
fn resets_on_accept() {
    in_every_cell(true, in_all(&[FailedConnect, FailedTransport]), |_| {
        Shadow::start(|_, stream| async move { reset(stream) })
    });
}

#[test]
fn resets_or_closes_at_each_stage() {
    for end in [Then::Reset, Then::Close, Then::HalfClose] {
        let failed = |cell: Cell| {
            let is_run = end == Then::Reset || cell.is_typical();
            is_run.then_some(&[FailedTransport][..])
        };
        script_where(failed, &[], Reads::Head, nothing, end);
        let with_body = |cell: Cell| failed(cell).filter(|_| cell.copied() > 0);
        script_where(with_body, &[], Reads::SomeBody, nothing, end);
        script_where(failed, &[], Reads::All, nothing, end);
        let cut = |stream| head(stream)[..9].to_vec();
        script_where(failed, &[], Reads::All, cut, end);
        script_where(failed, &[], Reads::All, head, end);
        script_where(failed, &[], Reads::All, half, end);
    }
}

#[test]
fn resets_the_stream() {
    const NO_ERROR: u32 = 0;
    const REFUSED_STREAM: u32 = 7;
    const ENHANCE_YOUR_CALM: u32 = 11;
    const UNKNOWN: u32 = 0xdead;
    fn with<const REASON: u32>(end: Then) {
        for reads in [Reads::Head, Reads::All] {
            script(reads, |stream| rst(stream, REASON), end, &[FailedTransport]);
        }
        let in_answer = |stream| [half(stream), rst(stream, REASON)].concat();
        script(Reads::All, in_answer, end, &[FailedTransport]);
    }
    with::<NO_ERROR>(Then::Stays);
    with::<REFUSED_STREAM>(Then::Stays);
    with::<ENHANCE_YOUR_CALM>(Then::Stays);
    with::<UNKNOWN>(Then::Stays);
}

#[test]
fn answers_before_the_request_ends() {
    script(Reads::Head, whole, Then::Stays, &[Completed]);
    // This is the way to refuse the rest of a body (RFC 9113, section 8.1).
    let unwanted = |stream| [whole(stream), rst(stream, 0)].concat();
    script(Reads::Head, unwanted, Then::Stays, &[Completed]);
}

#[test]
fn goes_away() {
    for end in [Then::Stays, Then::Close] {
        // This stream will not be answered either.
        script(Reads::All, |_| goaway(0, 0), end, &[FailedTransport]);
        script(Reads::All, |_| goaway(0, 11), end, &[FailedTransport]);
        let answered = |stream| [goaway(stream, 0), whole(stream)].concat();
        script(Reads::All, answered, end, &[Completed]);
        let answered = |stream| [goaway(u32::MAX >> 1, 0), whole(stream)].concat();
        script(Reads::All, answered, end, &[Completed]);
    }
}

#[test]
fn admits_no_stream() {
    // A GOAWAY at the beginning may arrive when the stream is already open. The stream is then
    // answered.
    let expected = in_all(&[TimedOut, Completed]);
    script_where(
        expected,
        &[(MAX_STREAMS, 0)],
        Reads::All,
        whole,
        Then::Stays,
    );
}

#[test]
fn never_opens_the_window() {
    let expected = |cell: Cell| match cell.copied() {
        0 => Some(&[Completed][..]),
        // The client sends this before it knows the server's window.
        1024 => Some(&[TimedOut, Completed][..]),
        _ => Some(&[TimedOut][..]),
    };
    for window in [0, 1] {
        in_every_cell(true, expected, move |_| {
            Shadow::start(move |_, stream| async move {
                let mut peer = Peer::greet(stream, &[(WINDOW, window)]).await?;
                let (stream, is_whole) = peer.request().await?;
                if !is_whole {
                    loop {
                        let (kind, flags, ..) = peer.next().await?;
                        if kind == DATA && flags & END_STREAM != 0 {
                            break;
                        }
                    }
                }
                peer.write(&whole(stream)).await?;
                peer.read_on().await
            })
        });
    }
}

/// The copy has its response, or the beginning of it, but its body has not ended. The stream must
/// not stay open because of that.
#[test]
fn answers_and_never_opens_the_window() {
    for window in [0, 1, 100] {
        for (answer, expected) in [
            (head as fn(u32) -> Vec<u8>, &[TimedOut][..]),
            (half, &[TimedOut]),
            (whole, &[Completed]),
        ] {
            in_every_cell(true, in_all(expected), move |_| {
                Shadow::start(move |_, stream| async move {
                    let mut peer = Peer::greet(stream, &[(WINDOW, window)]).await?;
                    let (stream, _) = peer.request().await?;
                    peer.write(&answer(stream)).await?;
                    peer.read_on().await
                })
            });
        }
    }
}

#[test]
fn answers_garbage() {
    script(
        Reads::All,
        |_| b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".to_vec(),
        Then::Stays,
        &[FailedTransport],
    );
    // The frame has 16 MiB.
    let large = |_| b"\xff\xff\xff\0\0\0\0\0\x01".to_vec();
    script(Reads::All, large, Then::Stays, &[FailedTransport]);
}

#[test]
fn breaks_the_protocol() {
    let wrong: [fn(u32) -> Vec<u8>; 10] = [
        // A body comes without a head.
        |stream| frame(DATA, END_STREAM, stream, b"x"),
        // A head does not end, and another frame follows in it.
        |stream| [frame(HEADERS, NOTHING, stream, STATUS_200), rst(stream, 0)].concat(),
        // The status is missing, is invalid, or would switch protocols.
        |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &[]),
        |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x08\x02ok"),
        // An index is outside the table; a table is larger than permitted.
        |stream| {
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &[0xff, 0xff, 0xff, 0x7f],
            )
        },
        |stream| {
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &[0x3f, 0xff, 0xff, 0x7f, 0x88],
            )
        },
        // A window is larger than 2^31.
        |_| frame(WINDOW_UPDATE, NOTHING, 0, &[0x7f, 0xff, 0xff, 0xff]),
        // The server sends a push promise, which is forbidden.
        |stream| frame(PUSH_PROMISE, END_HEADERS, stream, &[0, 0, 0, 2, 0x88]),
        // A frame is for a stream with an odd number that the client has not opened.
        |stream| frame(HEADERS, END_HEADERS, stream + 100, STATUS_200),
        // The body does not have its declared length.
        |stream| {
            let head = [STATUS_200, b"\x0f\x0d\x02\x31\x30"].concat();
            let head = frame(HEADERS, END_HEADERS, stream, &head);
            [head, frame(DATA, END_STREAM, stream, b"half")].concat()
        },
    ];
    for answer in wrong {
        let expected = in_typical(&[FailedTransport]);
        script_where(expected, &[], Reads::All, answer, Then::Stays);
    }
}

/// Writes the first bytes, and then repeats the second bytes without end.
fn endless(
    first: impl Fn(u32) -> Vec<u8> + Copy + Send + Sync + 'static,
    then: impl Fn(u32) -> Vec<u8> + Copy + Send + Sync + 'static,
    expected: Expected,
) {
    in_every_cell(true, in_typical(expected), |_| {
        Shadow::start(move |_, stream| async move {
            let mut peer = Peer::greet(stream, &[]).await?;
            let stream = read_request(&mut peer, Reads::All).await?;
            peer.write(&first(stream)).await?;
            let more = then(stream).repeat(16);
            let (mut read, mut write) = peer.stream.into_split();
            // The server also reads, because otherwise both sides would wait for each other.
            let reading = async {
                let mut buffer = vec![0; 16 << 10];
                while tokio::io::AsyncReadExt::read(&mut read, &mut buffer).await? > 0 {}
                io::Result::Err(io::ErrorKind::UnexpectedEof.into())
            };
            let writing = async {
                loop {
                    write.write_all(&more).await?;
                }
            };
            futures_util::future::try_join(reading, writing)
                .await
                .map(|((), ())| ())
        })
    });
}

#[test]
fn answers_for_ever() {
    // The bytes fit into the window, which is not enlarged after the end of the copy.
    endless(
        head,
        |stream| frame(DATA, NOTHING, stream, &[b'x'; 1024]),
        &[CompletedTruncated],
    );
}

/// Frames without content do not use the window.
#[test]
fn answers_with_nothing_for_ever() {
    endless(
        head,
        |stream| frame(DATA, NOTHING, stream, &[]),
        &[TimedOut, FailedTransport],
    );
}

#[test]
fn floods_the_connection() {
    endless(
        nothing,
        |_| frame(PING, NOTHING, 0, &[0; 8]),
        &[TimedOut, FailedTransport],
    );
    endless(
        nothing,
        |_| frame(SETTINGS, NOTHING, 0, &[]),
        &[TimedOut, FailedTransport],
    );
    endless(
        nothing,
        |stream| frame(WINDOW_UPDATE, NOTHING, stream, &1_u32.to_be_bytes()),
        &[TimedOut, FailedTransport],
    );
    endless(
        nothing,
        |_| frame(0x42, NOTHING, 0, b"unknown"),
        &[TimedOut, FailedTransport],
    );
}

#[test]
fn answers_with_a_huge_head() {
    endless(
        |stream| frame(HEADERS, NOTHING, stream, STATUS_200),
        |stream| frame(CONTINUATION, NOTHING, stream, b"\0\x01x\x01y"),
        &[FailedTransport],
    );
    // These frames are empty.
    endless(
        |stream| frame(HEADERS, NOTHING, stream, STATUS_200),
        |stream| frame(CONTINUATION, NOTHING, stream, b""),
        &[FailedTransport],
    );
    // A small head is decompressed to a large one: it refers to an entry of the dynamic table
    // thousands of times.
    let bomb = |stream| {
        let mut block = STATUS_200.to_vec();
        block.extend(b"\x40\x01x\x7f\x81\x1e");
        block.extend([b'y'; 4000]);
        block.extend([0xbe; 8000]);
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
    };
    script(Reads::All, bomb, Then::Stays, &[FailedTransport]);
}

#[test]
fn announces_an_answer_for_ever() {
    endless(
        nothing,
        |stream| frame(HEADERS, END_HEADERS, stream, STATUS_103),
        &[TimedOut],
    );
    let hints = |stream| {
        let hints = frame(HEADERS, END_HEADERS, stream, STATUS_103).repeat(2000);
        [hints, whole(stream)].concat()
    };
    script(Reads::All, hints, Then::Stays, &[Completed]);
}

#[test]
fn answers_with_trailers() {
    let trailers = |stream| {
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\0\x01x\x01y");
        [half(stream), trailers].concat()
    };
    script(Reads::All, trailers, Then::Stays, &[Completed]);
}
