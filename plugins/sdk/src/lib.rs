//! Write a Sonder destination in Rust: say what it is, check its configuration, deliver.
//!
//! ```ignore
//! use sonder_plugin::{Description, Destination, Item, Now, Outcome, Problem, Request};
//!
//! struct Greeter;
//!
//! #[derive(serde::Deserialize)]
//! struct Config { url: String }
//!
//! impl Destination for Greeter {
//!     type Config = Config;
//!
//!     fn describe() -> Description {
//!         Description::new("greeter", "1.0.0").hosts(["api.greeter.example"]).secret("api_key", "from the settings page")
//!     }
//!
//!     fn check(config: &Config) -> Vec<Problem> {
//!         if config.url.starts_with("https://") { vec![] } else { vec![Problem::at("/url", "is not an https address")] }
//!     }
//!
//!     fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
//!         items.iter().map(|item| {
//!             Request::post(&config.url)
//!                 .header("authorization", "Bearer {{secret:api_key}}")
//!                 .header("idempotency-key", &item.id)
//!                 .json(&item.payload)
//!                 .deliver(now)
//!         }).collect()
//!     }
//! }
//!
//! sonder_plugin::destination!(Greeter);
//! ```
//!
//! The crate of a plugin is a `cdylib` for `wasm32-unknown-unknown`; `sonder plugin build` makes the component. A plugin
//! has no clock, no files and no sockets: it gets `now`, and it asks the host to [send](Request::send). It never sees a
//! secret: it writes `{{secret:NAME}}`, and the host fills it in. See `plugins/wit/destination.wit` for all of that.

mod deliver;
mod describe;
mod http;
mod item;

pub use deliver::{Answer, Entry, alike, each, together};
pub use describe::{Action, Description, SecretNeed};
pub use http::{Request, Response, SealError, SendError, outcome, seal_push};
pub use item::{Identifier, Item, ItemKind, Now, Outcome, Problem};

/// The interface as generated from `plugins/wit`; the rest of this crate is what authors use.
#[doc(hidden)]
// Generated; what it means is in the WIT file.
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "destination",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "sonder_plugin::bindings",
    });
}

/// A destination. All functions are pure but for what they ask of the host.
pub trait Destination {
    /// The configuration of one destination that uses this plugin, as in its YAML file under `config`.
    type Config: serde::de::DeserializeOwned;

    /// What this plugin is; asked once, when the engine loads it.
    fn describe() -> Description;

    /// What is wrong with a configuration beyond its schema. Sends nothing.
    fn check(config: &Self::Config) -> Vec<Problem>;

    /// Tells the other side: one outcome for each item, in the same order.
    fn deliver(config: &Self::Config, now: Now, items: &[Item]) -> Vec<Outcome>;
}

/// How important a log line is.
pub use bindings::sonder::destination::host::Level;

/// Writes a line to the engine's log.
pub fn log(level: Level, message: &str) {
    bindings::sonder::destination::host::log(level, message);
}

/// Reads what [`store`] kept for this destination.
#[must_use]
pub fn load(key: &str) -> Option<Vec<u8>> {
    bindings::sonder::destination::host::get(key)
}

/// Keeps a small value for this destination, once the batch has ended well; an empty one removes it.
///
/// # Errors
/// Which of the host's bounds the value exceeds.
pub fn store(key: &str, value: &[u8]) -> Result<(), String> {
    bindings::sonder::destination::host::set(key, value)
}

/// Exports a type that implements [`Destination`] as this component.
#[macro_export]
macro_rules! destination {
    ($destination:ty) => {
        struct SonderComponent;

        impl $crate::bindings::Guest for SonderComponent {
            fn describe() -> String {
                $crate::exported::describe::<$destination>()
            }

            fn check(config: String) -> Vec<$crate::Problem> {
                $crate::exported::check::<$destination>(&config)
            }

            fn deliver(config: String, now: u64, items: Vec<$crate::bindings::Item>) -> Vec<$crate::Outcome> {
                $crate::exported::deliver::<$destination>(&config, now, items)
            }
        }

        $crate::bindings::export_component!(SonderComponent with_types_in $crate::bindings);
    };
}

/// What [`destination!`] calls: the step between the interface's strings and an author's types.
#[doc(hidden)]
pub mod exported {
    use crate::{Destination, Item, Now, Outcome, Problem, bindings};

    /// The last words of a plugin that panics go to the engine's log: the sandbox itself only sees a trap.
    fn tell_panics() {
        std::panic::set_hook(Box::new(|panic| crate::log(crate::Level::Error, &panic.to_string())));
    }

    /// The description as JSON.
    #[must_use]
    pub fn describe<D: Destination>() -> String {
        tell_panics();
        D::describe().to_json()
    }

    /// Reads the configuration, then asks the author.
    #[must_use]
    pub fn check<D: Destination>(config: &str) -> Vec<Problem> {
        tell_panics();
        match serde_json::from_str(config) {
            Ok(config) => D::check(&config),
            Err(error) => vec![Problem::at("", &error.to_string())],
        }
    }

    /// Reads configuration and items, then asks the author. What cannot be read is the item's outcome.
    #[must_use]
    pub fn deliver<D: Destination>(config: &str, now: u64, items: Vec<bindings::Item>) -> Vec<Outcome> {
        tell_panics();
        let config = match serde_json::from_str(config) {
            Ok(config) => config,
            Err(error) => {
                let reason = format!("the configuration is not usable: {error}");
                return items.iter().map(|_| Outcome::Unauthorized(reason.clone())).collect();
            }
        };
        let items: Vec<Item> = items.into_iter().map(Item::read).collect();
        D::deliver(&config, Now(now), &items)
    }
}
