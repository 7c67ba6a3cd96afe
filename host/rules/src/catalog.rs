//! What the checker needs to know of plugins: their manifests, by the words rules use for them.

use orion_model::Manifest;

/// The plugins that rules may name.
pub trait PluginCatalog {
    /// The manifest of a plugin by the reference a rule uses: `name`, `name@version`, or a path to a `.wasm`.
    ///
    /// # Errors
    /// A sentence for the user: what is missing, and the nearest known name.
    fn manifest(&self, reference: &str) -> Result<&Manifest, String>;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;
}
