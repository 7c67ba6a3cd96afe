//! What a rule says under `with:`, by name and type.

use std::fmt;

/// A refusal in words: what is wrong and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<&str> for Refused {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named value.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name, as in the manifest.
    pub name: String,
    /// Value; durations are integer milliseconds.
    pub value: ParameterValue,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number; milliseconds for a duration.
    Integer(i64),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    Texts(Vec<String>),
}

/// All that the rule said, with the manifest's defaults filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    /// From named values.
    pub const fn new(parameters: Vec<Parameter>) -> Self {
        Self(parameters)
    }

    fn value(&self, name: &str) -> Option<&ParameterValue> {
        self.0.iter().find(|parameter| parameter.name == name).map(|parameter| &parameter.value)
    }

    /// A number; `None` when nothing was said.
    pub fn number(&self, name: &str) -> Result<Option<f64>, Refused> {
        match self.value(name) {
            None => Ok(None),
            Some(ParameterValue::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(Self::mistyped(name, "a number")),
        }
    }

    /// A whole number; `None` when nothing was said.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refused> {
        match self.value(name) {
            None => Ok(None),
            Some(ParameterValue::Integer(integer)) => Ok(Some(*integer)),
            Some(_) => Err(Self::mistyped(name, "a whole number")),
        }
    }

    /// A duration in milliseconds; `None` when nothing was said.
    pub fn millis(&self, name: &str) -> Result<Option<i64>, Refused> {
        match self.value(name) {
            None => Ok(None),
            Some(ParameterValue::Integer(millis)) => Ok(Some(*millis)),
            Some(_) => Err(Self::mistyped(name, "a duration")),
        }
    }

    /// True or false; `None` when nothing was said.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        match self.value(name) {
            None => Ok(None),
            Some(ParameterValue::Flag(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Self::mistyped(name, "true or false")),
        }
    }

    /// A text; `None` when nothing was said.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refused> {
        match self.value(name) {
            None => Ok(None),
            Some(ParameterValue::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Self::mistyped(name, "a text")),
        }
    }

    /// A list of texts; empty when nothing was said.
    pub fn texts(&self, name: &str) -> Result<&[String], Refused> {
        match self.value(name) {
            None => Ok(&[]),
            Some(ParameterValue::Texts(texts)) => Ok(texts),
            Some(_) => Err(Self::mistyped(name, "a list of texts")),
        }
    }

    /// A mapping: its pairs, in order; a name that maps to several texts is there several times. Empty when nothing was said.
    pub fn pairs(&self, name: &str) -> Result<Vec<(&str, &str)>, Refused> {
        let (pairs, rest) = self.texts(name)?.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Self::mistyped(name, "a mapping"));
        }
        Ok(pairs.iter().map(|[key, value]| (key.as_str(), value.as_str())).collect())
    }

    fn mistyped(name: &str, wanted: &str) -> Refused {
        Refused(format!("`{name}` must be {wanted}"))
    }
}

/// Milliseconds as people say them: `15m`, `1h30m`, `24h`.
pub fn format_duration(millis: i64) -> String {
    let mut rest = millis.max(0);
    let mut text = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        let named = |name: &str, value| Parameter { name: name.to_owned(), value };
        Parameters::new(vec![
            named("above", ParameterValue::Number(1.5)),
            named("hold", ParameterValue::Integer(60_000)),
            named("names", ParameterValue::Texts(vec!["a".to_owned()])),
        ])
    }

    #[test]
    fn what_was_said_comes_typed_and_what_was_not_is_none() {
        let parameters = parameters();
        assert_eq!(parameters.number("above"), Ok(Some(1.5)));
        assert_eq!(parameters.millis("hold"), Ok(Some(60_000)));
        assert_eq!(parameters.integer("hold"), Ok(Some(60_000)));
        assert_eq!(parameters.texts("names"), Ok(&["a".to_owned()][..]));
        assert_eq!(parameters.number("below"), Ok(None));
        assert_eq!(parameters.flag("loud"), Ok(None));
        assert_eq!(parameters.texts("others"), Ok(&[][..]));
    }

    #[test]
    fn a_mapping_comes_as_pairs() {
        let texts = |texts: &[&str]| ParameterValue::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        let named = |name: &str, value| Parameter { name: name.to_owned(), value };
        let parameters = Parameters::new(vec![named("map", texts(&["a", "x", "a", "y"])), named("odd", texts(&["a"]))]);
        assert_eq!(parameters.pairs("map"), Ok(vec![("a", "x"), ("a", "y")]));
        assert_eq!(parameters.pairs("other"), Ok(vec![]));
        assert_eq!(parameters.pairs("odd"), Err("`odd` must be a mapping".into()));
    }

    #[test]
    fn a_value_of_another_type_is_refused_by_name() {
        assert_eq!(parameters().number("hold"), Err("`hold` must be a number".into()));
        assert_eq!(parameters().text("above"), Err("`above` must be a text".into()));
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (millis, text) in
            [(900_000, "15m"), (86_400_000, "24h"), (5_400_000, "1h30m"), (1_500, "1s500ms"), (0, "0s"), (-1, "0s")]
        {
            assert_eq!(format_duration(millis), text);
        }
    }
}
