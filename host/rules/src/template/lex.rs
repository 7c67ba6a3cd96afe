//! A template's text as pieces: plain text, and actions as tokens.
//!
//! White space inside an action is a token of its own, because it decides meaning: `.a.b` is one field of a field,
//! `.a .b` are two arguments.

use super::TemplateError;
use super::literal;

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// Copied as it is, after trimming.
    Text(String),
    /// What stands between `{{` and `}}`; and where the action starts.
    Action(Vec<Token>, usize),
}

/// A token of an action and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// `len`, `if`, `true`: told apart by the parser.
    Word(String),
    /// `.name`.
    Field(String),
    /// `name` of `$name`; empty for `$` alone.
    Variable(String),
    Dot,
    Integer(i64),
    Number(f64),
    Text(String),
    Pipe,
    Assign,
    Declare,
    Comma,
    Open,
    Close,
    Space,
}

const OPENING: &str = "{{";
const CLOSING: &str = "}}";

/// What may follow a word, a field or a variable directly.
const TERMINATORS: [char; 6] = ['.', ',', '|', ':', ')', '('];

/// Splits a text into pieces.
pub(super) fn lex(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trims = false;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find(OPENING)).map(|found| at + found) {
        let mut cursor = Cursor { text, at: open + OPENING.len() };
        let trims_before = cursor.skip_trim_mark();
        push_text(&mut pieces, text.get(at..open), trims, trims_before);
        if cursor.rest().starts_with("/*") {
            trims = cursor.skip_comment(open)?;
        } else {
            let mut tokens = Vec::new();
            trims = cursor.read_action(open, &mut tokens)?;
            pieces.push(Piece::Action(tokens, open));
        }
        at = cursor.at;
    }
    push_text(&mut pieces, text.get(at..), trims, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: Option<&str>, trims_start: bool, trims_end: bool) {
    let text = text.unwrap_or_default();
    let text = if trims_start { text.trim_start_matches(is_blank) } else { text };
    let text = if trims_end { text.trim_end_matches(is_blank) } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes characters while they please, and returns them.
    fn take(&mut self, pleases: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !pleases(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn eat(&mut self, sign: &str) -> bool {
        let eaten = self.rest().starts_with(sign);
        self.at += if eaten { sign.len() } else { 0 };
        eaten
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> TemplateError {
        TemplateError::new(offset, message)
    }

    /// The `-` of `{{- `, which needs white space after it: `{{-3}}` is a number.
    fn skip_trim_mark(&mut self) -> bool {
        let rest = self.rest();
        let marked = rest.starts_with('-') && rest.get(1..).is_some_and(|after| after.starts_with(is_blank));
        self.at += if marked { 2 } else { 0 };
        marked
    }

    /// `}}` or ` -}}`: whether it is there, and whether it trims.
    fn eat_closing(&mut self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with(CLOSING) {
            self.at += CLOSING.len();
            return Some(false);
        }
        let mark = rest.strip_prefix(is_blank).and_then(|rest| rest.strip_prefix('-'));
        if mark.is_some_and(|rest| rest.starts_with(CLOSING)) {
            self.at += 2 + CLOSING.len();
            return Some(true);
        }
        None
    }

    fn skip_comment(&mut self, open: usize) -> Result<bool, TemplateError> {
        let Some(end) = self.rest().find("*/") else {
            return Err(self.error(open, "this comment is never closed: `*/}}` is missing"));
        };
        self.at += end + 2;
        self.eat_closing().ok_or_else(|| self.error(open, "a comment must end in `*/}}`, with nothing between"))
    }

    /// Reads tokens up to the end of the action; tells whether the end trims.
    fn read_action(&mut self, open: usize, tokens: &mut Vec<Token>) -> Result<bool, TemplateError> {
        loop {
            if let Some(trims) = self.eat_closing() {
                return Ok(trims);
            }
            let offset = self.at;
            let Some(next) = self.peek() else {
                return Err(self.error(open, "this action is never closed: `}}` is missing"));
            };
            let kind = self.token(next, offset)?;
            tokens.push(Token { kind, offset });
        }
    }

    fn token(&mut self, next: char, offset: usize) -> Result<TokenKind, TemplateError> {
        if is_blank(next) {
            return Ok(self.blanks());
        }
        for (sign, kind) in [
            (":=", TokenKind::Declare),
            ("=", TokenKind::Assign),
            ("|", TokenKind::Pipe),
            (",", TokenKind::Comma),
            ("(", TokenKind::Open),
            (")", TokenKind::Close),
        ] {
            if self.eat(sign) {
                return Ok(kind);
            }
        }
        match next {
            '"' => self.quoted(offset),
            '`' => self.raw(offset),
            '\'' => self.character(offset),
            '$' => {
                self.at += 1;
                self.name().map(TokenKind::Variable)
            }
            '.' => self.dot(offset),
            '+' | '-' => self.number(offset),
            c if c.is_ascii_digit() => self.number(offset),
            c if is_word(c) => self.name().map(TokenKind::Word),
            c => Err(self.error(offset, format!("`{c}` has no meaning in a template action"))),
        }
    }

    /// White space, but not the blank of ` -}}`.
    fn blanks(&mut self) -> TokenKind {
        while self.peek().is_some_and(is_blank) {
            let rest = self.rest();
            if rest.get(1..).is_some_and(|after| after.starts_with("-}}")) {
                break;
            }
            self.at += 1;
        }
        TokenKind::Space
    }

    /// A run of letters, digits and underscores, with nothing odd behind it.
    fn name(&mut self) -> Result<String, TemplateError> {
        let name = self.take(is_word).to_owned();
        match self.peek() {
            Some(c) if !is_blank(c) && !TERMINATORS.contains(&c) && !self.rest().starts_with(CLOSING) => {
                let hint = if c == '-' || c == '/' {
                    "; a label of such a name is read with `index $labels \"…\"`"
                } else {
                    ""
                };
                Err(self.error(self.at, format!("`{c}` cannot stand in a name{hint}")))
            }
            _ => Ok(name),
        }
    }

    fn dot(&mut self, offset: usize) -> Result<TokenKind, TemplateError> {
        let after = self.rest().get(1..).and_then(|rest| rest.chars().next());
        match after {
            Some(c) if c.is_ascii_digit() => self.number(offset),
            Some(c) if is_word(c) => {
                self.at += 1;
                self.name().map(TokenKind::Field)
            }
            _ => {
                self.at += 1;
                Ok(TokenKind::Dot)
            }
        }
    }

    fn number(&mut self, offset: usize) -> Result<TokenKind, TemplateError> {
        let start = self.at;
        self.take(|c| matches!(c, '+' | '-'));
        loop {
            let run = self.take(|c| is_word(c) || c == '.');
            // The sign of an exponent belongs to the number.
            let exponent = run.ends_with(['e', 'E']) && !run.to_ascii_lowercase().starts_with("0x");
            if !(exponent && (self.eat("+") || self.eat("-"))) {
                break;
            }
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        literal::number(written).ok_or_else(|| self.error(offset, format!("`{written}` is no number")))
    }

    fn quoted(&mut self, offset: usize) -> Result<TokenKind, TemplateError> {
        let end = literal::end_of_quoted(self.rest(), '"');
        let Some(inner) = end.and_then(|end| self.rest().get(1..end)) else {
            return Err(self.error(offset, "this text is never closed: `\"` is missing"));
        };
        self.at += inner.len() + 2;
        let unescaped = literal::unescape(inner, '"');
        unescaped.map(TokenKind::Text).map_err(|at| self.error(offset + 1 + at, "unknown escape in this text"))
    }

    fn raw(&mut self, offset: usize) -> Result<TokenKind, TemplateError> {
        self.at += 1;
        let inner = self.take(|c| c != '`').to_owned();
        if !self.eat("`") {
            return Err(self.error(offset, "this text is never closed: a backquote is missing"));
        }
        Ok(TokenKind::Text(inner.replace('\r', "")))
    }

    fn character(&mut self, offset: usize) -> Result<TokenKind, TemplateError> {
        let end = literal::end_of_quoted(self.rest(), '\'');
        let inner = end.and_then(|end| self.rest().get(1..end)).unwrap_or_default();
        let unescaped = literal::unescape(inner, '\'').unwrap_or_default();
        let mut chars = unescaped.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => {
                self.at += inner.len() + 2;
                Ok(TokenKind::Integer(i64::from(u32::from(c))))
            }
            _ => Err(self.error(offset, "single quotes hold one character; write texts in double quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        match lex(text).unwrap().remove(0) {
            Piece::Action(tokens, _) => tokens.into_iter().map(|token| token.kind).collect(),
            Piece::Text(text) => panic!("{text}"),
        }
    }

    fn texts(text: &str) -> String {
        let shown = |piece: &Piece| match piece {
            Piece::Text(text) => format!("[{text}]"),
            Piece::Action(..) => "{}".to_owned(),
        };
        lex(text).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn trim_marks_take_the_white_space_beside_them() {
        assert_eq!(texts("a \n{{- 1 -}}\n b"), "[a]{}[b]");
        assert_eq!(texts("a {{-1}} b"), "[a ]{}[ b]");
        assert_eq!(texts("a {{- /* c */ -}} b"), "[a][b]");
        assert_eq!(texts("a {{/* c */}} b"), "[a ][ b]");
    }

    #[test]
    fn an_action_is_split_as_go_splits_it() {
        use TokenKind::*;
        assert_eq!(kinds("{{$x:=.a.b}}"), [Variable("x".into()), Declare, Field("a".into()), Field("b".into())]);
        assert_eq!(kinds("{{-3 -}}"), [Integer(-3)]);
        assert_eq!(kinds("{{1e-3}}"), [Number(0.001)]);
        assert_eq!(kinds("{{'a'}}"), [Integer(97)]);
        assert_eq!(kinds(r#"{{"a\"}}\n"}}"#), [Text("a\"}}\n".into())]);
        assert_eq!(kinds("{{`}}\\`|f}}"), [Text("}}\\".into()), Pipe, Word("f".into())]);
        assert_eq!(kinds("{{.}}"), [Dot]);
        assert_eq!(kinds("{{$}}"), [Variable(String::new())]);
    }

    #[test]
    fn what_is_not_closed_is_said_where_it_opens() {
        for (text, offset) in [("a {{ b", 2), ("a {{/* b", 2), ("{{ \"x }}", 3), ("{{ `x }}", 3), ("{{/* a */ b}}", 0)]
        {
            assert_eq!(lex(text).unwrap_err().offset, offset, "{text}");
        }
        assert!(lex("{{ $labels.foo-bar }}").unwrap_err().message.contains("index $labels"));
        assert!(lex("{{ 'ab' }}").is_err());
        assert!(lex("{{ 1x }}").is_err());
    }
}
