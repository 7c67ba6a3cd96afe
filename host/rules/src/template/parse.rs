//! Pieces and tokens → a tree. Whatever can be wrong before any data is there is said here, with its place.

use super::action::Action;
use super::functions;
use super::lex::{Piece, Token, TokenKind};
use super::tree::{Branch, Node, Operand, Pipeline, Tree};
use super::{MAX_NESTING, TemplateError};
use crate::keys::nearest;

/// Words that are no functions.
pub(super) const KEYWORDS: [&str; 11] =
    ["break", "continue", "block", "define", "else", "end", "if", "range", "nil", "template", "with"];

/// Variables Prometheus sets before the template's first character.
pub(super) const GIVEN_VARIABLES: [&str; 5] = ["", "labels", "externalLabels", "externalURL", "value"];

/// Builds the tree.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Tree, TemplateError> {
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        variables: GIVEN_VARIABLES.map(str::to_owned).to_vec(),
        tree: Tree::default(),
        depth: 0,
        loops: 0,
        dot_is_root: true,
        calls: Vec::new(),
    };
    let (nodes, end) = parser.list()?;
    if let Some(end) = end {
        return Err(end.error(format!("`{}` without the beginning it belongs to", end.word)));
    }
    for (name, offset) in &parser.calls {
        if !parser.tree.templates.contains_key(name) {
            let message = format!("no template `{name}` is defined in this text");
            return Err(TemplateError::new(*offset, message));
        }
    }
    parser.tree.nodes = nodes;
    Ok(parser.tree)
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    variables: Vec<String>,
    tree: Tree,
    depth: usize,
    loops: usize,
    /// Whether `.` is what the template was given, and so holds the value.
    dot_is_root: bool,
    /// Templates called by name, and where.
    calls: Vec<(String, usize)>,
}

/// `{{end}}` or `{{else …}}`, which ends a list of nodes.
struct Ending {
    word: &'static str,
    action: Action,
}

impl Ending {
    fn error(&self, message: String) -> TemplateError {
        TemplateError::new(self.action.start, message)
    }
}

impl Parser {
    /// Nodes up to an ending, or to the end of the text.
    fn list(&mut self) -> Result<(Vec<Node>, Option<Ending>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, start) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, start) => (tokens, start),
            };
            let mut action = Action::new(tokens, start);
            match action.keyword() {
                Some("end") => return Ok((nodes, Some(Ending { word: "end", action }))),
                Some("else") => return Ok((nodes, Some(Ending { word: "else", action }))),
                Some(keyword) => nodes.extend(self.control(keyword, action)?),
                None => {
                    let pipeline = self.pipeline(&mut action, None)?;
                    nodes.push(Node::Output(pipeline));
                }
            }
        }
        Ok((nodes, None))
    }

    fn control(&mut self, keyword: &'static str, mut action: Action) -> Result<Option<Node>, TemplateError> {
        match keyword {
            "break" | "continue" if self.loops == 0 => Err(action.error(format!("`{keyword}` outside of a `range`"))),
            "break" => action.finish("break").map(|()| Some(Node::Break)),
            "continue" => action.finish("continue").map(|()| Some(Node::Continue)),
            "template" => {
                let name = action.template_name()?;
                self.calls.push((name.clone(), action.start));
                let argument = if action.is_done() { None } else { Some(self.pipeline(&mut action, None)?) };
                Ok(Some(Node::Call { name, argument }))
            }
            "define" => {
                if self.depth > 0 {
                    return Err(action.error("`define` must stand outside of every block"));
                }
                let name = action.template_name()?;
                action.finish("define")?;
                self.definition(name, &action)?;
                Ok(None)
            }
            "block" => {
                let name = action.template_name()?;
                let argument = Some(self.pipeline(&mut action, None)?);
                self.definition(name.clone(), &action)?;
                Ok(Some(Node::Call { name, argument }))
            }
            word => match Branch::of(word) {
                Some(kind) => self.branch(kind, action).map(Some),
                None => Err(action.error(format!("`{word}` cannot start an action"))),
            },
        }
    }

    /// The body of `define` or `block`: it knows no variable but `$`, which is its argument.
    fn definition(&mut self, name: String, action: &Action) -> Result<(), TemplateError> {
        let outer = (std::mem::replace(&mut self.variables, vec![String::new()]), self.loops, self.dot_is_root);
        (self.loops, self.dot_is_root) = (0, false);
        let body = self.body(action.start, "define")?;
        (self.variables, self.loops, self.dot_is_root) = outer;
        let (nodes, ending) = body;
        if ending.word == "else" {
            return Err(ending.error("`else` in a `define`".to_owned()));
        }
        self.tree.templates.insert(name, nodes);
        Ok(())
    }

    fn body(&mut self, start: usize, word: &str) -> Result<(Vec<Node>, Ending), TemplateError> {
        if self.depth >= MAX_NESTING {
            let message = format!("blocks stand more than {MAX_NESTING} deep in each other");
            return Err(TemplateError::new(start, message));
        }
        self.depth += 1;
        let (nodes, ending) = self.list()?;
        self.depth -= 1;
        let missing = || TemplateError::new(start, format!("this `{word}` has no `{{{{ end }}}}`"));
        Ok((nodes, ending.ok_or_else(missing)?))
    }

    fn branch(&mut self, kind: Branch, mut action: Action) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let start = action.start;
        let pipeline = self.pipeline(&mut action, Some(kind))?;
        let root = self.dot_is_root;
        self.dot_is_root = root && kind == Branch::If;
        self.loops += usize::from(kind == Branch::Range);
        let inner_scope = self.variables.len();
        let (body, ending) = self.body(start, kind.word())?;
        self.variables.truncate(inner_scope);
        self.loops -= usize::from(kind == Branch::Range);
        self.dot_is_root = root;
        let otherwise = if ending.word == "else" { self.otherwise(kind, ending.action)? } else { Vec::new() };
        self.variables.truncate(scope);
        Ok(Node::Branch { kind, pipeline, body, otherwise })
    }

    /// What follows `else`: a plain list, or with `else if` and `else with` one more branch that shares the `end`.
    fn otherwise(&mut self, kind: Branch, mut action: Action) -> Result<Vec<Node>, TemplateError> {
        let start = action.start;
        if action.is_done() {
            let (nodes, ending) = self.body(start, "else")?;
            return match ending.word {
                "end" => Ok(nodes),
                _ => Err(ending.error("a second `else`".to_owned())),
            };
        }
        match action.keyword().and_then(Branch::of) {
            Some(next) if next == kind && kind != Branch::Range => {
                // The chain is walked by recursion like any other nesting.
                self.depth += 1;
                let too_deep = self.depth > MAX_NESTING;
                let node = if too_deep {
                    Err(action.error(format!("more than {MAX_NESTING} branches in one chain")))
                } else {
                    self.branch(next, action)
                };
                self.depth -= 1;
                node.map(|node| vec![node])
            }
            _ => Err(action.error("after `else` comes nothing, or the word that began the block")),
        }
    }

    /// A pipeline up to the end of the action.
    fn pipeline(&mut self, action: &mut Action, branch: Option<Branch>) -> Result<Pipeline, TemplateError> {
        let pipeline = self.commands(action, branch, 0)?;
        match action.next() {
            None => Ok(pipeline),
            Some(token) => Err(token.unexpected()),
        }
    }

    fn commands(
        &mut self,
        action: &mut Action,
        branch: Option<Branch>,
        depth: usize,
    ) -> Result<Pipeline, TemplateError> {
        let (variables, assigns) = self.declaration(action, branch)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(action, depth)?;
            if command.is_empty() {
                let what = if commands.is_empty() { "a value is missing here" } else { "nothing follows this `|`" };
                return Err(action.error_here(what));
            }
            let is_call = !matches!(
                command.first(),
                Some(Operand::Nil | Operand::Flag(_) | Operand::Integer(_) | Operand::Number(_))
                    | Some(Operand::Text(_) | Operand::Dot)
            );
            if !commands.is_empty() && !is_call {
                return Err(action.error_here("only a function can follow `|`"));
            }
            commands.push(command);
            match action.peek() {
                Some(TokenKind::Pipe) => {
                    action.next();
                }
                _ => break,
            }
        }
        // Declared after its value: the value cannot speak of it.
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline { variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, and in `range` also `$i, $x :=`.
    fn declaration(
        &mut self,
        action: &mut Action,
        branch: Option<Branch>,
    ) -> Result<(Vec<String>, bool), TemplateError> {
        let Some((names, assigns)) = action.declaration() else { return Ok((Vec::new(), false)) };
        if names.len() > 1 && branch != Some(Branch::Range) {
            return Err(action.error_here("only `range` sets two variables at once"));
        }
        if let Some(unknown) = names.iter().find(|name| assigns && !self.variables.contains(name)) {
            return Err(action.error_here(self.undefined(unknown)));
        }
        Ok((names, assigns))
    }

    fn undefined(&self, name: &str) -> String {
        let hint = nearest(name, self.variables.iter().map(String::as_str).filter(|known| !known.is_empty()));
        let hint = hint.map(|near| format!("; did you mean `${near}`?")).unwrap_or_default();
        format!("undefined variable `${name}`{hint}")
    }

    fn command(&mut self, action: &mut Action, depth: usize) -> Result<Vec<Operand>, TemplateError> {
        let mut operands = Vec::new();
        action.skip_spaces();
        loop {
            match action.peek_here() {
                None | Some(TokenKind::Pipe | TokenKind::Close) => return Ok(operands),
                Some(TokenKind::Space) => {
                    action.skip_spaces();
                    continue;
                }
                Some(_) => {}
            }
            operands.push(self.operand(action, depth)?);
            // Two operands need white space between them: `$x"a"` is a slip.
            if let Some(TokenKind::Space | TokenKind::Pipe | TokenKind::Close) | None = action.peek_here() {
                continue;
            }
            return Err(action.next_here().map_or_else(|| action.error_here("unexpected end"), |t| t.unexpected()));
        }
    }

    fn operand(&mut self, action: &mut Action, depth: usize) -> Result<Operand, TemplateError> {
        let Some(token) = action.next_here() else { return Err(action.error_here("a value is missing here")) };
        let operand = match &token.kind {
            TokenKind::Word(word) => return self.word(word, &token, action),
            TokenKind::Integer(integer) => Operand::Integer(*integer),
            TokenKind::Number(number) => Operand::Number(*number),
            TokenKind::Text(text) => Operand::Text(text.clone()),
            TokenKind::Dot => {
                self.tree.uses_value |= self.dot_is_root;
                Operand::Dot
            }
            TokenKind::Field(name) => {
                let mut fields = vec![name.clone()];
                fields.extend(action.fields());
                self.tree.uses_value |= self.dot_is_root && name == "Value";
                return Ok(Operand::Field(fields));
            }
            TokenKind::Variable(name) => {
                if !self.variables.contains(name) {
                    return Err(token.error(self.undefined(name)));
                }
                let fields = action.fields();
                let root_value = name.is_empty() && fields.first().is_none_or(|field| field == "Value");
                self.tree.uses_value |= name == "value" || root_value;
                return Ok(Operand::Variable(name.clone(), fields));
            }
            TokenKind::Open => return self.nested(action, &token, depth),
            _ => return Err(token.unexpected()),
        };
        match action.peek_here() {
            Some(TokenKind::Field(_)) => Err(token.error("this has no fields")),
            _ => Ok(operand),
        }
    }

    fn nested(&mut self, action: &mut Action, open: &Token, depth: usize) -> Result<Operand, TemplateError> {
        if depth >= MAX_NESTING {
            return Err(open.error(format!("parentheses stand more than {MAX_NESTING} deep in each other")));
        }
        let pipeline = self.commands(action, None, depth + 1)?;
        match action.next() {
            Some(token) if token.kind == TokenKind::Close => Ok(Operand::Nested(Box::new(pipeline), action.fields())),
            Some(token) => Err(token.unexpected()),
            None => Err(open.error("this parenthesis is never closed")),
        }
    }

    fn word(&mut self, word: &str, token: &Token, action: &Action) -> Result<Operand, TemplateError> {
        let operand = match word {
            "true" => Operand::Flag(true),
            "false" => Operand::Flag(false),
            "nil" => Operand::Nil,
            keyword if KEYWORDS.contains(&keyword) => {
                return Err(token.error(format!("`{keyword}` cannot stand here")));
            }
            name => match functions::refused(name) {
                Some(why) => return Err(TemplateError { is_refusal: true, ..token.error(why) }),
                None => Operand::Function(functions::find(name).map_err(|message| token.error(message))?),
            },
        };
        match action.peek_here() {
            Some(TokenKind::Field(_)) => Err(token.error(format!("`{word}` has no fields"))),
            _ => Ok(operand),
        }
    }
}
