//! A selector as it is written, into its terms.

use std::iter::Peekable;
use std::str::Chars;

use super::{Glob, Term, TextOf, Than};
use crate::event::Status;
use crate::severity::Severity;

const SEVERITIES: [Severity; 4] = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];
const STATUSES: [(&str, Status); 3] =
    [("occurred", Status::Occurred), ("firing", Status::Firing), ("resolved", Status::Resolved)];

/// The terms of a line, or why it is none.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, String> {
    words(text)?.iter().map(Word::term).collect()
}

/// One term as it is written.
struct Word {
    name: String,
    than: Option<Than>,
    values: Vec<Glob>,
}

impl Word {
    fn term(&self) -> Result<Term, String> {
        let Some(than) = self.than else {
            return Ok(Term::Text { of: TextOf::EventType, not: false, any: self.values.clone() });
        };
        let not = than == Than::NotEqual;
        match self.name.as_str() {
            "severity" => self.severity(than),
            "value" => self.value(than),
            "status" => Ok(Term::Status { not, any: self.statuses(than)? }),
            "" => Err("a name is missing before the comparison".to_owned()),
            _ if !than.is_of_texts() => Err(format!("`{}` is a text, and only `=` and `!=` compare texts", self.name)),
            name => Ok(Term::Text { of: text_of(name), not, any: self.values.clone() }),
        }
    }

    /// The one value of a term that takes no alternatives.
    fn single(&self) -> Result<&str, String> {
        let single = self.values.first().filter(|_| self.values.len() == 1).and_then(Glob::plain);
        single.ok_or_else(|| format!("`{}` is compared with one value", self.name))
    }

    fn severity(&self, than: Than) -> Result<Term, String> {
        let word = self.single()?;
        let known = SEVERITIES.into_iter().find(|severity| severity.as_str() == word);
        let bound = known.ok_or_else(|| format!("`{word}` is no severity: info, warning, error, critical"))?;
        Ok(Term::Severity { than, bound })
    }

    fn value(&self, than: Than) -> Result<Term, String> {
        let word = self.single()?;
        let bound = word.parse().map_err(|_| format!("`{word}` is no number"))?;
        Ok(Term::Value { than, bound })
    }

    fn statuses(&self, than: Than) -> Result<Vec<Status>, String> {
        let one = |glob: &Glob| {
            let known = STATUSES.into_iter().find(|(word, _)| than.is_of_texts() && glob.plain() == Some(word));
            known.map(|(_, status)| status).ok_or("`status` is occurred, firing or resolved".to_owned())
        };
        self.values.iter().map(one).collect()
    }
}

fn text_of(name: &str) -> TextOf {
    match name {
        "event_type" => TextOf::EventType,
        "key" => TextOf::Key,
        label => TextOf::Label(label.to_owned()),
    }
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut chars = text.chars().peekable();
    let mut words = Vec::new();
    loop {
        while chars.next_if(|char| char.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        words.push(word(&mut chars)?);
    }
}

fn word(chars: &mut Peekable<Chars<'_>>) -> Result<Word, String> {
    let first = glob(chars, true)?;
    let Some(than) = comparison(chars)? else {
        return Ok(Word { name: String::new(), than: None, values: alternatives(chars, first)? });
    };
    let name = first.plain().ok_or("a name has no `*` in it")?.to_owned();
    let first = glob(chars, false)?;
    Ok(Word { name, than: Some(than), values: alternatives(chars, first)? })
}

fn alternatives(chars: &mut Peekable<Chars<'_>>, first: Glob) -> Result<Vec<Glob>, String> {
    let mut values = vec![first];
    while chars.next_if_eq(&'|').is_some() {
        values.push(glob(chars, false)?);
    }
    Ok(values)
}

fn comparison(chars: &mut Peekable<Chars<'_>>) -> Result<Option<Than>, String> {
    let Some(sign) = chars.next_if(|char| is_sign(*char)) else { return Ok(None) };
    let equal = chars.next_if_eq(&'=').is_some();
    match (sign, equal) {
        ('=', _) => Ok(Some(Than::Equal)),
        ('!', true) => Ok(Some(Than::NotEqual)),
        ('>', true) => Ok(Some(Than::AtLeast)),
        ('>', false) => Ok(Some(Than::Greater)),
        ('<', true) => Ok(Some(Than::AtMost)),
        ('<', false) => Ok(Some(Than::Less)),
        _ => Err("`!` stands only in `!=`".to_owned()),
    }
}

const fn is_sign(char: char) -> bool {
    matches!(char, '=' | '!' | '<' | '>')
}

/// Text up to what ends it: a space, `|`, and for a name the sign of a comparison.
fn glob(chars: &mut Peekable<Chars<'_>>, is_name: bool) -> Result<Glob, String> {
    let mut pieces = vec![String::new()];
    let ends = |char: char| char.is_whitespace() || char == '|' || (is_name && is_sign(char));
    while let Some(char) = chars.next_if(|char| !ends(*char)) {
        match char {
            '*' => pieces.push(String::new()),
            '"' => quoted(chars, pieces.last_mut().ok_or("no text")?)?,
            char => pieces.last_mut().ok_or("no text")?.push(char),
        }
    }
    Ok(Glob(pieces))
}

fn quoted(chars: &mut Peekable<Chars<'_>>, into: &mut String) -> Result<(), String> {
    for char in chars {
        if char == '"' {
            return Ok(());
        }
        into.push(char);
    }
    Err("a double quote is not closed".to_owned())
}
