//! Walks the tree with data and writes the text, counting every step.

use std::rc::Rc;

use super::format;
use super::functions::{self, Function};
use super::parse::GIVEN_VARIABLES;
use super::tree::{Branch, Node, Operand, Pipeline, Tree};
use super::value::Value;
use super::{MAX_CALL_DEPTH, MAX_RENDERED_BYTES, MAX_STEPS, TemplateData};

/// Bytes of text that count as one step.
const BYTES_PER_STEP: usize = 64;

/// Renders a tree.
pub(super) fn render(tree: &Tree, data: &TemplateData<'_>) -> Result<String, String> {
    let mut variables = Vec::new();
    for name in GIVEN_VARIABLES {
        let value = match name {
            "" => Value::Root(data),
            "labels" => Value::Labels(data.labels),
            "externalLabels" => Value::Labels(data.external_labels),
            "value" => Value::Number(data.value),
            _ => Value::text(""),
        };
        variables.push((name, value));
    }
    let mut run = Run { tree, out: String::new(), variables, budget: Budget { steps: MAX_STEPS }, calls: 0 };
    run.list(&tree.nodes, &Value::Root(data))?;
    Ok(run.out)
}

/// Work that is left.
pub(super) struct Budget {
    steps: u32,
}

impl Budget {
    /// Takes one step, and more for much text.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        let steps = u32::try_from(1 + bytes / BYTES_PER_STEP).unwrap_or(u32::MAX);
        self.steps = self
            .steps
            .checked_sub(steps)
            .ok_or_else(|| format!("stopped after {MAX_STEPS} steps: this template does not come to an end soon"))?;
        Ok(())
    }

    /// The text itself, if it is not too long to be made.
    pub(super) fn text<'a>(&mut self, text: String) -> Result<Value<'a>, String> {
        if text.len() > MAX_RENDERED_BYTES {
            return Err(too_long());
        }
        self.take(text.len())?;
        Ok(Value::text(text))
    }
}

fn too_long() -> String {
    format!("a text grows beyond {MAX_RENDERED_BYTES} bytes")
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Onward,
    Break,
    Continue,
}

struct Run<'t, 'a> {
    tree: &'t Tree,
    out: String,
    variables: Vec<(&'t str, Value<'a>)>,
    budget: Budget,
    calls: usize,
}

impl<'t, 'a> Run<'t, 'a> {
    fn write(&mut self, text: &str) -> Result<(), String> {
        self.budget.take(text.len())?;
        if self.out.len() + text.len() > MAX_RENDERED_BYTES {
            return Err(too_long());
        }
        self.out.push_str(text);
        Ok(())
    }

    fn list(&mut self, nodes: &'t [Node], dot: &Value<'a>) -> Result<Flow, String> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => self.write(text).map(|()| Flow::Onward)?,
                Node::Output(pipeline) => self.output(pipeline, dot).map(|()| Flow::Onward)?,
                Node::Branch { kind, pipeline, body, otherwise } => {
                    let scope = self.variables.len();
                    let flow = self.branch(*kind, pipeline, body, otherwise, dot)?;
                    self.variables.truncate(scope);
                    flow
                }
                Node::Call { name, argument } => self.call(name, argument.as_ref(), dot).map(|()| Flow::Onward)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Onward {
                return Ok(flow);
            }
        }
        Ok(Flow::Onward)
    }

    fn output(&mut self, pipeline: &'t Pipeline, dot: &Value<'a>) -> Result<(), String> {
        let value = self.pipeline(pipeline, dot)?;
        // A declaration prints nothing.
        match value {
            _ if !pipeline.variables.is_empty() => Ok(()),
            Value::Nil => self.write("<no value>"),
            value => self.write(&format::print(&[value])?),
        }
    }

    fn branch(
        &mut self,
        kind: Branch,
        pipeline: &'t Pipeline,
        body: &'t [Node],
        otherwise: &'t [Node],
        dot: &Value<'a>,
    ) -> Result<Flow, String> {
        if kind == Branch::Range {
            return self.range(pipeline, body, otherwise, dot);
        }
        let value = self.pipeline(pipeline, dot)?;
        let scope = self.variables.len();
        let flow = match (value.is_true(), kind) {
            (true, Branch::With) => self.list(body, &value),
            (true, _) => self.list(body, dot),
            (false, _) => self.list(otherwise, dot),
        };
        self.variables.truncate(scope);
        flow
    }

    fn range(
        &mut self,
        pipeline: &'t Pipeline,
        body: &'t [Node],
        otherwise: &'t [Node],
        dot: &Value<'a>,
    ) -> Result<Flow, String> {
        let value = self.commands(pipeline, dot)?;
        let scope = self.variables.len();
        let mut ran = false;
        for (key, item) in items(&value)? {
            ran = true;
            self.budget.take(0)?;
            self.set_loop_variables(pipeline, &key, &item);
            let flow = self.list(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        if ran { Ok(Flow::Onward) } else { self.list(otherwise, dot) }
    }

    fn set_loop_variables(&mut self, pipeline: &'t Pipeline, key: &Value<'a>, item: &Value<'a>) {
        let values = match pipeline.variables.as_slice() {
            [_, _] => vec![key.clone(), item.clone()],
            _ => vec![item.clone()],
        };
        for (name, value) in pipeline.variables.iter().zip(values) {
            self.set(name, value, pipeline.assigns);
        }
    }

    fn set(&mut self, name: &'t str, value: Value<'a>, assigns: bool) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| *known == name);
        match known.filter(|_| assigns) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name, value)),
        }
    }

    fn call(&mut self, name: &str, argument: Option<&'t Pipeline>, dot: &Value<'a>) -> Result<(), String> {
        let dot = match argument {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Nil,
        };
        let tree = self.tree;
        let Some(nodes) = tree.templates.get(name) else { return Err(format!("no template `{name}` is defined")) };
        if self.calls >= MAX_CALL_DEPTH {
            return Err(format!("templates call each other more than {MAX_CALL_DEPTH} deep"));
        }
        self.calls += 1;
        let outer = std::mem::replace(&mut self.variables, vec![("", dot.clone())]);
        self.list(nodes, &dot)?;
        self.variables = outer;
        self.calls -= 1;
        Ok(())
    }

    /// The value of a pipeline; declares and assigns what it says.
    fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Value<'a>) -> Result<Value<'a>, String> {
        let value = self.commands(pipeline, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &'t Pipeline, dot: &Value<'a>) -> Result<Value<'a>, String> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &'t [Operand],
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>, String> {
        self.budget.take(0)?;
        match command.split_first() {
            Some((Operand::Function(function), arguments)) => self.function(*function, arguments, dot, last),
            Some((Operand::Nil, [])) => Err("`nil` alone is no value".to_owned()),
            Some((operand, [])) if last.is_none() => self.operand(operand, dot),
            _ => Err("only functions take arguments".to_owned()),
        }
    }

    fn function(
        &mut self,
        function: Function,
        operands: &'t [Operand],
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>, String> {
        functions::check_count(function, operands.len() + usize::from(last.is_some()))?;
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            let value = self.operand(operand, dot)?;
            // `and` and `or` stop at the first argument that decides.
            if functions::decides(function, &value) {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(last);
        functions::call(function, &arguments, &mut self.budget)
    }

    fn operand(&mut self, operand: &'t Operand, dot: &Value<'a>) -> Result<Value<'a>, String> {
        self.budget.take(0)?;
        match operand {
            Operand::Nil => Ok(Value::Nil),
            Operand::Flag(flag) => Ok(Value::Flag(*flag)),
            Operand::Integer(integer) => Ok(Value::Integer(*integer)),
            Operand::Number(number) => Ok(Value::Number(*number)),
            Operand::Text(text) => Ok(Value::Text(Rc::from(text.as_str()))),
            Operand::Dot => Ok(dot.clone()),
            Operand::Field(fields) => field(dot.clone(), fields),
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = found.ok_or_else(|| format!("undefined variable `${name}`"))?;
                field(value.clone(), fields)
            }
            Operand::Nested(pipeline, fields) => field(self.pipeline(pipeline, dot)?, fields),
            Operand::Function(function) => self.function(*function, &[], dot, None),
        }
    }
}

fn field<'a>(value: Value<'a>, fields: &[String]) -> Result<Value<'a>, String> {
    fields.iter().try_fold(value, |value, name| value.field(name))
}

/// Keys and items of what can be ranged over, in order.
fn items<'a>(value: &Value<'a>) -> Result<Box<dyn Iterator<Item = (Value<'a>, Value<'a>)> + 'a>, String> {
    match value {
        Value::Nil => Ok(Box::new(std::iter::empty())),
        Value::Labels(labels) => {
            Ok(Box::new(labels.iter().map(|(name, value)| (Value::text(name), Value::text(value)))))
        }
        Value::Map(map) => {
            let pairs: Vec<_> = map.iter().map(|(name, value)| (Value::text(name.as_str()), value.clone())).collect();
            Ok(Box::new(pairs.into_iter()))
        }
        Value::Integer(count) => Ok(Box::new((0..*count).map(|at| (Value::Integer(at), Value::Integer(at))))),
        other => Err(format!("`range` cannot go over a {}", other.type_name())),
    }
}
