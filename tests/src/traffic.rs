//! Clients that behave as real SDKs do: each message has its id, is sent until it is acknowledged, and is sent again with
//! the same id when the answer was lost. What was acknowledged is written down.

use crate::http::Connection;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Numbers that look like chance and are the same in every run.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// The message of a client of that name with that number, of one of so many people, without its id.
pub type Says = fn(client: &str, dice: &mut Dice, number: u64, people: u64) -> Json;

/// One client: its people, and the messages it has to deliver, in order.
pub struct Client {
    name: String,
    dice: Dice,
    sent: u64,
    people: u64,
    /// Not yet acknowledged: sent again first.
    unanswered: Option<(Vec<String>, Json)>,
    says: Says,
    /// Ids of acknowledged messages.
    pub acknowledged: Vec<String>,
}

impl Client {
    /// A client whose messages and people nobody else has: they view, and one time in ten they order.
    #[must_use]
    pub fn new(name: &str, people: u64) -> Self {
        Self::saying(name, people, view_or_order)
    }

    /// A client that says something else.
    #[must_use]
    pub fn saying(name: &str, people: u64, says: Says) -> Self {
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self {
            name: name.to_owned(),
            dice: Dice::new(seed),
            sent: 0,
            people,
            unanswered: None,
            says,
            acknowledged: Vec::new(),
        }
    }

    /// Sends one batch, the unanswered one first. `Ok(false)` when the engine asked to come back later.
    ///
    /// # Errors
    /// When there was no answer: the batch stays unanswered.
    pub fn turn(&mut self, connection: &mut Connection, size: usize) -> std::io::Result<bool> {
        if self.unanswered.is_none() {
            self.unanswered = Some(self.batch(size));
        }
        let Some((ids, body)) = &self.unanswered else { return Ok(true) };
        let answer = connection.post("/v1/batch", "wk", body)?;
        match answer.status {
            200 => {
                self.acknowledged.extend(ids.iter().cloned());
                self.unanswered = None;
                Ok(true)
            }
            429 | 503 => Ok(false),
            status => Err(std::io::Error::other(format!("status {status}: {}", answer.text()))),
        }
    }

    /// Whether everything it sent was acknowledged.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.unanswered.is_none()
    }

    fn batch(&mut self, size: usize) -> (Vec<String>, Json) {
        let mut ids = Vec::new();
        let mut messages = Vec::new();
        for _ in 0..size {
            let id = format!("{}-{}", self.name, self.sent);
            let mut message = (self.says)(&self.name, &mut self.dice, self.sent, self.people);
            message["messageId"] = id.clone().into();
            messages.push(message);
            ids.push(id);
            self.sent += 1;
        }
        (ids, json!({ "batch": messages }))
    }
}

fn view_or_order(client: &str, dice: &mut Dice, number: u64, people: u64) -> Json {
    let person = format!("{client}-p{}", dice.below(people));
    if dice.below(10) == 0 {
        json!({"type": "track", "event": "order", "userId": person,
               "properties": {"total": (dice.below(10_000) as f64) / 100.0}})
    } else {
        json!({"type": "track", "event": "view", "userId": person,
               "properties": {"product": format!("p{}", dice.below(50)), "n": number}})
    }
}

/// Puts something into a new cart, one in fifty times with a long note, or orders one of the last few hundred.
pub fn add_or_order(client: &str, dice: &mut Dice, number: u64, people: u64) -> Json {
    let back = if number.is_multiple_of(2) { 0 } else { 1 + 2 * dice.below(150) };
    let cart = number.saturating_sub(back);
    let person = format!("{client}-p{}", Dice::new(cart).below(people));
    let event = if back == 0 { "add" } else { "order" };
    let mut message = json!({"type": "track", "event": event, "userId": person,
                             "properties": {"cart": format!("{client}-{cart}")}});
    if back == 0 && cart.is_multiple_of(100) {
        message["properties"]["note"] = "heavy ".repeat(4_000).into();
    }
    message
}

/// Clients at work, each on its own thread and connection.
pub struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Lets clients send until stopped or until the engine is gone, as fast as they are answered.
    #[must_use]
    pub fn start(address: SocketAddr, clients: &[Arc<Mutex<Client>>], batch: usize) -> Self {
        Self::start_at(address, clients, batch, u64::MAX)
    }

    /// The same at `rate` messages a second of all together, if they are answered so fast.
    #[must_use]
    pub fn start_at(address: SocketAddr, clients: &[Arc<Mutex<Client>>], batch: usize, rate: u64) -> Self {
        let pace = Duration::from_secs_f64((batch * clients.len()) as f64 / rate as f64);
        let stop = Arc::new(AtomicBool::new(false));
        let work = |client: Arc<Mutex<Client>>, stop: Arc<AtomicBool>| {
            move || {
                let Ok(mut client) = client.lock() else { return };
                let mut connection = Connection::new(address);
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    next = Instant::now().max(next) + pace;
                    match client.turn(&mut connection, batch) {
                        Ok(true) => {}
                        Ok(false) => std::thread::sleep(Duration::from_millis(20)),
                        Err(_) => return,
                    }
                }
            }
        };
        let spawn = |client: &Arc<Mutex<Client>>| std::thread::spawn(work(Arc::clone(client), Arc::clone(&stop)));
        Self { threads: clients.iter().map(spawn).collect(), stop: Arc::clone(&stop) }
    }

    /// Waits until every client has stopped.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            drop(thread.join());
        }
    }
}
