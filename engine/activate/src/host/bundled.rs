//! The plugins that come with the engine, from `plugins/dist`.

/// A bundled plugin.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// As a project names it: `sonder/webhook@1`.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

macro_rules! bundled {
    ($($name:literal),+) => {
        [$(Bundled {
            name: concat!("sonder/", $name, "@1"),
            wasm: include_bytes!(concat!("../../../../plugins/dist/", $name, ".wasm")),
        }),+]
    };
}

/// All of them; `plugins/build.sh` has the same list.
pub const BUNDLED: [Bundled; 9] =
    bundled!["webhook", "email", "chat", "support", "crm", "push", "ga4", "google-customer-match", "meta-audiences"];

/// The bundled plugin of that name.
#[must_use]
pub fn find(name: &str) -> Option<Bundled> {
    BUNDLED.into_iter().find(|plugin| plugin.name == name)
}
