//! One instance, for one batch: what it may use of memory, stack and time, and how it ends.

use super::bindings::{Destination, DestinationPre};
use super::clock::Clock;
use super::desk::Desk;
use crate::limits;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline};

/// All that an instance has on the host's side.
pub struct Sandbox {
    pub(super) execution: Execution,
    pub(super) desk: Desk,
    memory: Memory,
}

/// What an instance may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of all its memories.
    pub memory: u64,
    /// Time it may execute, waits for the host excluded.
    pub time: Duration,
}

/// Makes a fresh instance, calls it once, and throws it away. What went wrong is said in words; the desk comes back in
/// any case.
pub fn run<R>(
    component: &DestinationPre<Sandbox>,
    clock: &Clock,
    budget: Budget,
    desk: Desk,
    call: impl FnOnce(&mut Store<Sandbox>, &Destination) -> wasmtime::Result<R>,
) -> (Result<R, String>, Desk) {
    let sandbox = Sandbox { execution: Execution::start(budget.time), desk, memory: Memory::new(budget.memory) };
    let _running = clock.run();
    let mut store = Store::new(component.engine(), sandbox);
    store.limiter(|sandbox| &mut sandbox.memory);
    store.set_hostcall_fuel(limits::TRANSFER_BYTES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| match store.data().execution.is_over() {
        true => Err(OutOfTime.into()),
        false => Ok(UpdateDeadline::Continue(1)),
    });
    let result = component.instantiate(&mut store).and_then(|instance| call(&mut store, &instance));
    let result = result.map_err(|error| reason(&error, budget, &store.data().desk));
    (result, store.into_data().desk)
}

/// How a call that did not return failed, for people.
fn reason(error: &wasmtime::Error, budget: Budget, desk: &Desk) -> String {
    if error.downcast_ref::<OutOfTime>().is_some() {
        return format!("the plugin ran for longer than {:?}", budget.time);
    }
    if let Some(OutOfMemory) = error.downcast_ref() {
        return format!("the plugin wanted more than {} MiB of memory", budget.memory >> 20);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => format!("the plugin used up its stack of {} KiB", limits::STACK_BYTES >> 10),
        Some(trap) => match desk.last_line() {
            Some(line) => format!("the plugin trapped ({trap}); its last words: {line}"),
            None => format!("the plugin trapped ({trap})"),
        },
        None => format!("the plugin failed: {}", error.root_cause()),
    }
}

/// How long an instance has executed.
pub struct Execution {
    limit: Duration,
    used: Duration,
    running_since: Instant,
}

impl Execution {
    fn start(limit: Duration) -> Self {
        Self { limit, used: Duration::ZERO, running_since: Instant::now() }
    }

    /// The instance waits for the host.
    pub fn pause(&mut self) {
        self.used += self.running_since.elapsed();
    }

    /// It goes on.
    pub fn resume(&mut self) {
        self.running_since = Instant::now();
    }

    fn is_over(&self) -> bool {
        self.used + self.running_since.elapsed() > self.limit
    }
}

struct Memory {
    limit: u64,
    used: u64,
}

impl Memory {
    const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current) as u64);
        if used > self.limit {
            return Err(OutOfMemory.into());
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > limits::TABLE_ENTRIES { Err(OutOfMemory.into()) } else { Ok(true) }
    }

    fn instances(&self) -> usize {
        limits::INSTANCES
    }

    fn tables(&self) -> usize {
        limits::TABLES
    }

    fn memories(&self) -> usize {
        limits::MEMORIES
    }
}

#[derive(Debug, thiserror::Error)]
#[error("out of time")]
struct OutOfTime;

#[derive(Debug, thiserror::Error)]
#[error("out of memory")]
struct OutOfMemory;
