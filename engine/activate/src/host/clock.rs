//! Asks running instances, tick by tick, whether their time is over. While none runs it rests: an engine with nothing to
//! deliver costs nothing.

use crate::limits;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use wasmtime::Engine;

/// The clock of a sandbox; it ends when the last one who has it drops it.
pub struct Clock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    ended: bool,
}

/// An instance runs for as long as this is there.
pub struct Running<'a>(&'a Shared);

impl Clock {
    /// Starts one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(engine: &Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (ticking, engine) = (Arc::clone(&shared), engine.clone());
        let tick = move || {
            while ticking.wait() {
                std::thread::sleep(limits::TICK);
                engine.increment_epoch();
            }
        };
        std::thread::Builder::new().name("plugin clock".to_owned()).stack_size(128 << 10).spawn(tick)?;
        Ok(Self(shared))
    }

    /// An instance begins to run.
    pub fn run(&self) -> Running<'_> {
        self.0.state.lock().running += 1;
        self.0.changed.notify_one();
        Running(&self.0)
    }
}

impl Shared {
    /// Returns when something runs; whether the clock goes on.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while state.running == 0 && !state.ended {
            self.changed.wait(&mut state);
        }
        !state.ended
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.state.lock().ended = true;
        self.0.changed.notify_one();
    }
}
