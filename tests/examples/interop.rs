//! The example `interop`, which other software is tested with: its record and its last line.

use std::{fs, path::PathBuf, process::Stdio};

use http::Request;
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tower::ServiceExt;
use tower_mirror::HttpTarget;

use super::{HANG, path};

struct Started {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: String,
    record: PathBuf,
}

impl Started {
    async fn new(name: &str, arguments: &[&str]) -> Self {
        let record = format!("interop-{name}-{}.jsonl", std::process::id());
        let record = std::env::temp_dir().join(record);
        let mut process = Command::new(path("interop"))
            .arg("--record")
            .arg(&record)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("`cargo build --examples` builds it");
        let output = process.stdout.take().expect("it is piped");
        let mut output = BufReader::new(output).lines();
        let line = timeout(HANG, output.next_line()).await;
        let line = line.expect("it listens").expect("text").expect("a line");
        let address = line.strip_prefix("listening on ").expect("an address");
        Self {
            address: address.to_owned(),
            process,
            output,
            record,
        }
    }

    /// Stops the example. Returns its last line, if there is one, and its record.
    async fn end(mut self) -> (Option<Value>, Vec<Value>) {
        let id = self.process.id().expect("it runs");
        let id = Pid::from_raw(id.try_into().expect("an id")).expect("not 0");
        kill_process(id, Signal::TERM).expect("it runs");
        let line = timeout(HANG, self.output.next_line()).await;
        let line = line.expect("it ends").expect("text");
        let status = timeout(HANG, self.process.wait()).await;
        assert!(status.expect("it ends").expect("a status").success());
        let record = fs::read_to_string(&self.record).expect("a record");
        fs::remove_file(&self.record).expect("it can be removed");
        let parse = |line: &str| serde_json::from_str(line).expect("JSON");
        (
            line.as_deref().map(parse),
            record.lines().map(parse).collect(),
        )
    }
}

#[tokio::test]
async fn the_server_for_other_software_records_and_counts() {
    let shadow = Started::new("shadow", &["--drain"]).await;
    let target = format!("http://{}", shadow.address);
    let primary = Started::new("primary", &["--shadow", &target]).await;

    let request = Request::post("/bytes")
        .header("host", "shop")
        .header("x-case", "length/0")
        .body(Full::from("123456789"))
        .expect("a request");
    let client = HttpTarget::new(&format!("http://{}", primary.address)).expect("a target");
    let answer = client.oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    drop(answer);

    let (said, of_primary) = primary.end().await;
    let (nothing, of_shadow) = shadow.end().await;
    let said = said.expect("counts");
    assert_eq!(said["requests"], 1);
    assert_eq!(said["outcomes"], json!({ "completed": 1 }));
    assert_eq!(said["cases"], json!({ "length": { "completed": 1 } }));
    assert_eq!(nothing, None);
    for record in [&of_primary, &of_shadow] {
        assert_eq!(record.len(), 1);
        // This is the check value in every description of this CRC.
        assert_eq!(record[0]["crc"], 0xcbf4_3926_u32);
        assert_eq!(record[0]["bytes"], 9);
        assert_eq!(record[0]["end"], "whole");
    }
}
