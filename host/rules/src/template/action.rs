//! The tokens of one action, taken one by one.

use std::collections::VecDeque;

use super::TemplateError;
use super::lex::{Token, TokenKind};
use super::parse::KEYWORDS;

/// What is left of an action.
pub(super) struct Action {
    tokens: VecDeque<Token>,
    /// Where the action starts in the text.
    pub(super) start: usize,
    /// Where its last token starts: the place of what is missing at the end.
    end: usize,
}

impl Token {
    pub(super) fn error(&self, message: impl Into<String>) -> TemplateError {
        TemplateError::new(self.offset, message)
    }

    pub(super) fn unexpected(&self) -> TemplateError {
        let what = match &self.kind {
            TokenKind::Word(word) => format!("`{word}`"),
            TokenKind::Field(name) => format!("`.{name}`"),
            TokenKind::Variable(name) => format!("`${name}`"),
            TokenKind::Dot => "`.`".to_owned(),
            TokenKind::Integer(_) | TokenKind::Number(_) => "this number".to_owned(),
            TokenKind::Text(_) => "this text".to_owned(),
            TokenKind::Pipe => "`|`".to_owned(),
            TokenKind::Assign => "`=`".to_owned(),
            TokenKind::Declare => "`:=`".to_owned(),
            TokenKind::Comma => "`,`".to_owned(),
            TokenKind::Open => "`(`".to_owned(),
            TokenKind::Close => "`)`".to_owned(),
            TokenKind::Space => "this space".to_owned(),
        };
        self.error(format!("{what} is not expected here"))
    }
}

impl Action {
    pub(super) fn new(tokens: Vec<Token>, start: usize) -> Self {
        let end = tokens.last().map_or(start, |token| token.offset);
        Self { tokens: tokens.into(), start, end }
    }

    /// An error about the action as a whole.
    pub(super) fn error(&self, message: impl Into<String>) -> TemplateError {
        TemplateError::new(self.start, message)
    }

    /// An error about what comes next.
    pub(super) fn error_here(&self, message: impl Into<String>) -> TemplateError {
        let offset = self.tokens.front().map_or(self.end, |token| token.offset);
        TemplateError::new(offset, message)
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek_here() == Some(&TokenKind::Space) {
            self.tokens.pop_front();
        }
    }

    /// The very next token, which may be white space.
    pub(super) fn peek_here(&self) -> Option<&TokenKind> {
        self.tokens.front().map(|token| &token.kind)
    }

    pub(super) fn next_here(&mut self) -> Option<Token> {
        self.tokens.pop_front()
    }

    /// The next token that is no white space.
    pub(super) fn peek(&mut self) -> Option<&TokenKind> {
        self.skip_spaces();
        self.peek_here()
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        self.skip_spaces();
        self.next_here()
    }

    pub(super) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes the keyword the action starts with, if it starts with one. `nil` is a value.
    pub(super) fn keyword(&mut self) -> Option<&'static str> {
        let Some(TokenKind::Word(word)) = self.peek() else { return None };
        let keyword = KEYWORDS.into_iter().find(|keyword| word == keyword && *keyword != "nil")?;
        self.tokens.pop_front();
        Some(keyword)
    }

    /// Nothing may follow.
    pub(super) fn finish(&mut self, word: &str) -> Result<(), TemplateError> {
        match self.next() {
            None => Ok(()),
            Some(token) => Err(token.error(format!("nothing may follow `{word}`"))),
        }
    }

    /// The name after `template`, `define` and `block`.
    pub(super) fn template_name(&mut self) -> Result<String, TemplateError> {
        match self.next().map(|token| token.kind) {
            Some(TokenKind::Text(name)) => Ok(name),
            _ => Err(self.error("the name of a template is missing: write it in double quotes")),
        }
    }

    /// `.a.b.c`, directly here.
    pub(super) fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(TokenKind::Field(name)) = self.peek_here() {
            fields.push(name.clone());
            self.tokens.pop_front();
        }
        fields
    }

    /// Takes `$x :=`, `$x =` or `$i, $x :=` if it is there: the names, and whether it is an assignment.
    pub(super) fn declaration(&mut self) -> Option<(Vec<String>, bool)> {
        let mut names = Vec::new();
        let mut tokens = self.tokens.iter().enumerate().filter(|(_, token)| token.kind != TokenKind::Space);
        let (end, assigns) = loop {
            let (_, Token { kind: TokenKind::Variable(name), .. }) = tokens.next()? else { return None };
            names.push(name.clone());
            match tokens.next()? {
                (end, Token { kind: TokenKind::Declare, .. }) => break (end, false),
                (end, Token { kind: TokenKind::Assign, .. }) => break (end, true),
                (_, Token { kind: TokenKind::Comma, .. }) if names.len() == 1 => {}
                _ => return None,
            }
        };
        self.tokens.drain(..=end);
        Some((names, assigns))
    }
}
