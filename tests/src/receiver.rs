//! A destination's server: takes webhook calls, remembers each body and its idempotency keys, and can be told to misbehave.

use crate::http::{line, read_headers};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One call that the receiver answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, which the webhook sends as JSON.
    pub body: serde_json::Value,
    /// When it had arrived whole.
    pub at: Instant,
}

impl Call {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A server on a free port of loopback.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    calls: Mutex<Vec<Call>>,
    status: AtomicU16,
    stopped: AtomicBool,
}

impl Receiver {
    /// Starts listening.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            calls: Mutex::new(Vec::new()),
            status: AtomicU16::new(200),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&accepting)) else { continue };
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Ok(Self { address, shared })
    }

    /// `127.0.0.1:PORT`
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on answers with this status; calls answered with an error are not remembered.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::Relaxed);
    }

    /// All calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().map(|calls| calls.clone()).unwrap_or_default()
    }

    /// The distinct items received, by idempotency key, with how often each came.
    #[must_use]
    pub fn by_key(&self, key_of: impl Fn(&Call) -> Vec<String>) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for key in self.calls().iter().flat_map(key_of) {
            *keys.entry(key).or_insert(0) += 1;
        }
        keys
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        line(&mut stream)?;
        let headers = read_headers(&mut stream)?;
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let status = shared.status.load(Ordering::Relaxed);
        if status < 300
            && let Ok(mut calls) = shared.calls.lock()
        {
            let body = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
            calls.push(Call { headers, body, at: Instant::now() });
        }
        write!(stream.get_mut(), "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n")?;
    }
}
