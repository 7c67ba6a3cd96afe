//! A metric as PromQL writes it: a name, labels in braces, or both.

use std::iter::Peekable;
use std::str::Chars;

use orion_model::{Labels, LabelsBuilder};

/// The label that holds the name of a metric.
const NAME: &str = "__name__";

/// Reads a metric; its name is the label `__name__`.
pub fn metric(text: &str) -> Result<Labels, String> {
    let mut reader = Reader { rest: text.trim().chars().peekable() };
    let labels = reader.metric()?;
    match reader.rest.next() {
        None => Ok(labels),
        Some(sign) => Err(format!("`{sign}` is not expected after the labels")),
    }
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
}

impl Reader<'_> {
    fn metric(&mut self) -> Result<Labels, String> {
        let mut labels = LabelsBuilder::new();
        let name = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("`{name}` is no name of a metric: it begins with a digit"));
        }
        labels.set(NAME, name);
        self.skip_blanks();
        if self.rest.next_if_eq(&'{').is_some() {
            self.labels(&mut labels)?;
        }
        Ok(labels.build())
    }

    fn labels(&mut self, labels: &mut LabelsBuilder) -> Result<(), String> {
        loop {
            self.skip_blanks();
            if self.rest.next_if_eq(&'}').is_some() {
                return Ok(());
            }
            let is_quoted = matches!(self.rest.peek(), Some('"' | '\'' | '`'));
            let name = match is_quoted {
                true => self.text()?,
                false => self.word(|c| c.is_ascii_alphanumeric() || c == '_'),
            };
            if name.is_empty() {
                return Err(self.unexpected("a label"));
            }
            self.skip_blanks();
            if self.rest.next_if_eq(&'=').is_some() {
                self.skip_blanks();
                let value = self.text()?;
                labels.set(&name, value);
            } else if is_quoted {
                // Newer versions write the name of a metric in quotes within the braces.
                labels.set(NAME, name);
            } else {
                return Err(self.unexpected("`=`"));
            }
            self.skip_blanks();
            if self.rest.next_if_eq(&',').is_none() && self.rest.peek() != Some(&'}') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        std::iter::from_fn(|| self.rest.next_if(|c| belongs(*c))).collect()
    }

    fn skip_blanks(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn unexpected(&mut self, wanted: &str) -> String {
        match self.rest.peek() {
            Some(sign) => format!("{wanted} is expected, and not `{sign}`"),
            None => format!("{wanted} is missing at the end"),
        }
    }

    /// A text in quotes, as Go reads it.
    fn text(&mut self) -> Result<String, String> {
        let Some(quote) = self.rest.next_if(|c| matches!(c, '"' | '\'' | '`')) else {
            return Err(self.unexpected("a text in quotes"));
        };
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return Err(format!("the quote {quote} is never closed")),
                Some(c) if c == quote => return Ok(text),
                Some('\\') if quote != '`' => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let digits = match self.rest.next() {
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('r') => return Ok('\r'),
            Some('a') => return Ok('\u{7}'),
            Some('b') => return Ok('\u{8}'),
            Some('f') => return Ok('\u{c}'),
            Some('v') => return Ok('\u{b}'),
            Some(c @ ('\\' | '"' | '\'')) => return Ok(c),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            other => return Err(format!("`\\{}` stands for nothing", other.map(String::from).unwrap_or_default())),
        };
        let written: String = self.rest.by_ref().take(digits).collect();
        let code = u32::from_str_radix(&written, 16).ok().filter(|_| written.chars().count() == digits);
        code.and_then(char::from_u32).ok_or_else(|| format!("`{written}` is no code of a character"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        metric(text).map_or_else(|why| why, |labels| labels.to_string())
    }

    #[test]
    fn a_metric_is_read_as_promql_writes_it() {
        assert_eq!(read("up"), r#"{__name__="up"}"#);
        assert_eq!(read(" job:up:sum { b = 'x' , a=\"y\", } "), r#"{__name__="job:up:sum", a="y", b="x"}"#);
        assert_eq!(read("{}"), "{}");
        assert_eq!(read(""), "{}");
        assert_eq!(read(r#"{"a.b", c="d"}"#), r#"{__name__="a.b", c="d"}"#);
        assert_eq!(read(r#"x{a="\"\\\n\x41\u00fc", b=`\n`, gone=""}"#), r#"{__name__="x", a="\"\\\nAü", b="\\n"}"#);
    }

    #[test]
    fn what_is_no_metric_is_said() {
        assert_eq!(read("up{"), "a label is missing at the end");
        assert_eq!(read("up{a}"), "`=` is expected, and not `}`");
        assert_eq!(read("up{}x"), "`x` is not expected after the labels");
        assert_eq!(read("up{a=b}"), "a text in quotes is expected, and not `b`");
        assert_eq!(read("up{a=\"b\" c=\"d\"}"), "`,` or `}` is expected, and not `c`");
        assert_eq!(read("up{a=\"b}"), "the quote \" is never closed");
        assert_eq!(read("up{a=\"\\q\"}"), "`\\q` stands for nothing");
        assert_eq!(read("up == 0"), "`=` is not expected after the labels");
        assert_eq!(read("5x"), "`5x` is no name of a metric: it begins with a digit");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(pairs in proptest::collection::btree_map("[a-z_][a-z0-9_]{0,5}", "[a-zü\"\\\\ {}=,']{1,8}", 0..4)) {
            let labels: Labels = pairs.iter().collect();
            prop_assert_eq!(metric(&labels.to_string()), Ok(labels));
        }
    }
}
