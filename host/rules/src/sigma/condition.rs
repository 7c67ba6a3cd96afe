//! The condition of a temporal correlation as a sentence: `a and (b or c)`.
//!
//! A correlator waits for several kinds of events. A sentence becomes that by multiplying it out: every kind is then some rules of
//! which one is enough. `not` cannot be waited for, and order is only that of whole rules.

use std::ops::Range;

use crate::checker::Checker;
use crate::keys::{Text, nearest};

use super::names::SigmaRule;
use super::terms::Term;

/// Kinds that one correlator tells apart.
const MAX_TERMS: usize = 32;

/// Parentheses within each other: they are read by recursion.
const MAX_DEPTH: usize = 20;

/// Why a sentence is not evaluated, and where.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// It is no sentence.
    Wrong(Range<usize>, String),
    /// It is one that no correlator can wait for.
    Beyond(Range<usize>, &'static str),
}

/// The kinds to wait for. What is wrong, or beyond the correlators, is said.
pub(super) fn terms(
    checker: &mut Checker<'_, '_>,
    text: Text<'_>,
    rules: &[SigmaRule<'_>],
    ordered: bool,
) -> Option<Vec<Term>> {
    let mut reader = Reader { text: text.as_str(), words: words(text.as_str()), at: 0, rules };
    let found = reader.whole().and_then(|terms| {
        let whole = 0..text.as_str().len();
        match ordered {
            true if terms.iter().any(|term| term.len() > 1) => {
                Err(Trouble::Beyond(whole, "a sequence has one rule after the other, without `or`"))
            }
            // In a sequence the order is that of `rules`, whatever the sentence has.
            true => Ok(in_order(terms)),
            false => Ok(terms),
        }
    });
    let place = |checker: &Checker<'_, '_>, bytes: &Range<usize>| {
        let start = checker.place(text, bytes.start);
        start..checker.place(text, bytes.end.saturating_sub(1)).max(start) + 1
    };
    match found {
        Ok(terms) => Some(terms),
        Err(Trouble::Wrong(bytes, message)) => {
            let at = place(checker, &bytes);
            let word = text.as_str().get(bytes).unwrap_or_default();
            let is_name = word.starts_with(char::is_alphanumeric);
            let near = nearest(word, rules.iter().map(|rule| rule.reference)).filter(|near| is_name && *near != word);
            let help = near.map(|near| format!("did you mean `{near}`?"));
            checker.report.error(&at, message).maybe_help(help);
            None
        }
        Err(Trouble::Beyond(bytes, why)) => {
            let at = place(checker, &bytes);
            checker.report.warning(&at, format!("not evaluated: {why}"));
            None
        }
    }
}

fn in_order(mut terms: Vec<Term>) -> Vec<Term> {
    terms.sort();
    terms
}

fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match words.last_mut() {
            Some(word) if open && !c.is_whitespace() && !matches!(c, '(' | ')') => word.end = end,
            _ if c.is_whitespace() => {}
            _ => words.push(at..end),
        }
        open = !c.is_whitespace() && !matches!(c, '(' | ')');
    }
    words
}

struct Reader<'t, 'n> {
    text: &'t str,
    words: Vec<Range<usize>>,
    at: usize,
    rules: &'t [SigmaRule<'n>],
}

impl Reader<'_, '_> {
    fn peek(&self) -> &str {
        self.words.get(self.at).and_then(|word| self.text.get(word.clone())).unwrap_or_default()
    }

    fn takes(&mut self, keyword: &str) -> bool {
        let taken = self.peek().eq_ignore_ascii_case(keyword);
        self.at += usize::from(taken);
        taken
    }

    fn here(&self) -> Range<usize> {
        self.words.get(self.at).cloned().unwrap_or(self.text.len().saturating_sub(1)..self.text.len())
    }

    fn whole(&mut self) -> Result<Vec<Term>, Trouble> {
        let terms = self.any_of(0)?;
        match self.peek() {
            "" => Ok(terms),
            word => Err(Trouble::Wrong(self.here(), format!("`{word}` is not expected here"))),
        }
    }

    fn any_of(&mut self, depth: usize) -> Result<Vec<Term>, Trouble> {
        let mut terms = self.all_of(depth)?;
        while self.takes("or") {
            let other = self.all_of(depth)?;
            terms = self.bounded(terms.iter().flat_map(|one| other.iter().map(move |other| one | other)).collect())?;
        }
        Ok(terms)
    }

    fn all_of(&mut self, depth: usize) -> Result<Vec<Term>, Trouble> {
        let mut terms = self.one(depth)?;
        while self.takes("and") {
            terms.extend(self.one(depth)?);
            terms = self.bounded(terms)?;
        }
        Ok(terms)
    }

    fn one(&mut self, depth: usize) -> Result<Vec<Term>, Trouble> {
        let at = self.here();
        if self.takes("not") {
            return Err(Trouble::Beyond(at, "nothing can wait for what does not come"));
        }
        if self.takes("(") {
            if depth >= MAX_DEPTH {
                return Err(Trouble::Beyond(at, "parentheses stand too deep in each other"));
            }
            let terms = self.any_of(depth + 1)?;
            return if self.takes(")") {
                Ok(terms)
            } else {
                Err(Trouble::Wrong(at, "this `(` is never closed".to_owned()))
            };
        }
        let word = self.peek();
        match self.rules.iter().position(|rule| rule.is_called(word)) {
            Some(rule) => {
                self.at += 1;
                Ok(vec![Term::from([rule])])
            }
            None if word.is_empty() => Err(Trouble::Wrong(at, "the condition ends too early".to_owned())),
            None => Err(Trouble::Wrong(at, format!("this correlation has no rule `{word}`"))),
        }
    }

    /// Without kinds that another one already asks for; no more than a correlator tells apart.
    fn bounded(&self, terms: Vec<Term>) -> Result<Vec<Term>, Trouble> {
        let mut kept: Vec<Term> = Vec::new();
        for term in terms {
            if kept.iter().any(|other| other.is_subset(&term)) {
                continue;
            }
            kept.retain(|other| !term.is_subset(other));
            kept.push(term);
        }
        if kept.len() > MAX_TERMS {
            let whole = 0..self.text.len();
            return Err(Trouble::Beyond(
                whole,
                "multiplied out, this waits for more kinds of events than are told apart",
            ));
        }
        Ok(kept)
    }
}
