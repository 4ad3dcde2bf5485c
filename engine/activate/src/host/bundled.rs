//! The plugins that come with the engine, from `plugins/dist`.

/// A bundled plugin.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// As a project names it: `sonder/webhook@1`.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

/// All of them, by name.
pub const BUNDLED: [Bundled; 1] =
    [Bundled { name: "sonder/webhook@1", wasm: include_bytes!("../../../../plugins/dist/webhook.wasm") }];

/// The bundled plugin of that name.
#[must_use]
pub fn find(name: &str) -> Option<Bundled> {
    BUNDLED.into_iter().find(|plugin| plugin.name == name)
}
