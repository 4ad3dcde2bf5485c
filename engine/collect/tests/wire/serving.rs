//! Over a real socket: connections, patience, the end.

use crate::harness::{Server, basic, good};
use serde_json::json;
use sonder_collect::{ServeOptions, serve};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(server: &Server, options: ServeOptions) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = server.router.clone();
    let task = tokio::spawn(serve(listener, router, options, async move { drop(stopped.await) }));
    Running { address, stop, task }
}

fn request(body: &str, more: &str) -> String {
    let authorization = basic("wk:");
    let length = body.len();
    format!(
        "POST /v1/t HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Reads until the peer has said `count` times `needle`.
async fn read_until(stream: &mut TcpStream, needle: &str, count: usize) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches(needle).count() < count {
        let length = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(length > 0, "closed after: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

#[tokio::test]
async fn connections_are_kept_and_requests_may_be_pipelined() {
    let server = Server::new();
    let running = start(&server, ServeOptions::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let one = request(&good(json!({})).to_string(), "");
    stream.write_all(format!("{one}{one}").as_bytes()).await.unwrap();
    read_until(&mut stream, "{\"success\":true}", 2).await;
    stream.write_all(one.as_bytes()).await.unwrap();
    read_until(&mut stream, "{\"success\":true}", 1).await;
    assert_eq!(server.messages().len(), 3);
}

#[tokio::test]
async fn a_client_may_wait_to_be_asked_for_the_body_and_send_it_in_chunks() {
    let server = Server::new();
    let running = start(&server, ServeOptions::default()).await;
    let body = good(json!({})).to_string();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let whole = request(&body, "Expect: 100-continue\r\n");
    let (head, body) = whole.split_at(whole.len() - body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "100 Continue", 1).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    read_until(&mut stream, "{\"success\":true}", 1).await;

    let (first, second) = body.split_at(20);
    let chunked = format!(
        "POST /v1/t HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        basic("wk:"),
        first.len(),
        second.len()
    );
    stream.write_all(chunked.as_bytes()).await.unwrap();
    read_until(&mut stream, "{\"success\":true}", 1).await;
    assert_eq!(server.messages().len(), 2);
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let server = Server::new();
    let running = start(&server, ServeOptions::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "a settings frame answers");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let server = Server::new();
    let options = ServeOptions { head_time: Duration::from_millis(200), ..ServeOptions::default() };
    let running = start(&server, options).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /v1/t HTTP/1.1\r\nHost:").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let server = Server::new();
    let running = start(&server, ServeOptions { connections: 1, ..ServeOptions::default() }).await;
    let one = request(&good(json!({})).to_string(), "");
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(one.as_bytes()).await.unwrap();
    read_until(&mut first, "{\"success\":true}", 1).await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(one.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), second.read_u8()).await;
    assert!(early.is_err(), "the second waits");
    drop(first);
    read_until(&mut second, "{\"success\":true}", 1).await;
}

#[tokio::test]
async fn stopping_lets_a_request_finish_and_takes_no_new_ones() {
    let server = Server::new();
    let running = start(&server, ServeOptions::default()).await;
    let body = good(json!({})).to_string();
    let whole = request(&body, "");
    let (begin, end) = whole.split_at(whole.len() - 10);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(TcpStream::connect(running.address).await.is_err());
    stream.write_all(end.as_bytes()).await.unwrap();
    read_until(&mut stream, "{\"success\":true}", 1).await;
    tokio::time::timeout(Duration::from_secs(10), running.task).await.unwrap().unwrap().unwrap();
    assert_eq!(server.messages().len(), 1);
}
