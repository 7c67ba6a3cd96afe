//! What a component would have the compiler do, counted from its bytes before the compiler is asked.
//!
//! Compiling cannot be interrupted, and a small file can ask for a lot of it: some of what it does grows with a product of two
//! things in the file. So what it grows with is counted here, and refused beyond what honest plugins need many times over.

use wasmparser::{
    BlockType, ComponentInstance, ElementItems, ElementSectionReader, FunctionBody, Instance, InstanceSectionReader,
    Operator, Payload, TypeSectionReader,
};

use crate::fault::LoadError;
use crate::limits::Limits;

/// What was counted so far.
pub(crate) struct Workload<'l> {
    limits: &'l Limits,
    functions: usize,
    joins: usize,
    items: usize,
    /// Items of each module that is finished, in the order in which they are numbered.
    modules: Vec<usize>,
    /// What is open around the place that is read, from the outside in.
    open: Vec<Open>,
}

/// A component or a module that is being read.
#[derive(Clone, Copy)]
enum Open {
    Component,
    Module {
        /// Values that go in and out of its widest type of a function.
        widest: usize,
        /// What each instance of it takes of the host's memory, in pieces of a few bytes.
        items: usize,
    },
}

impl<'l> Workload<'l> {
    pub(crate) const fn new(limits: &'l Limits) -> Self {
        Self { limits, functions: 0, joins: 0, items: 0, modules: Vec::new(), open: Vec::new() }
    }

    /// How many components and modules are around the place that is read: one for what stands at the top level.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Takes in the next piece of the file.
    pub(crate) fn read(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } => self.enter(*encoding == wasmparser::Encoding::Component)?,
            Payload::End(_) => self.leave(),
            Payload::TypeSection(types) => self.types(types)?,
            Payload::ImportSection(section) => self.add_items(section.count()),
            Payload::GlobalSection(section) => self.add_items(section.count()),
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::CodeSectionStart { count, .. } => {
                self.add_items(*count);
                self.add_functions(*count)?;
            }
            Payload::CodeSectionEntry(body) => self.function(body)?,
            // Each becomes a function between the plugin and what is outside of it.
            Payload::ComponentCanonicalSection(section) => {
                self.not_nested()?;
                self.add_functions(section.count())?;
            }
            Payload::InstanceSection(section) => {
                self.not_nested()?;
                self.instances(section)?;
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if matches!(instance.map_err(LoadError::malformed)?, ComponentInstance::Instantiate { .. }) {
                        self.not_nested()?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, component: bool) -> Result<(), LoadError> {
        if component {
            self.open.push(Open::Component);
            return Ok(());
        }
        self.not_nested()?;
        self.open.push(Open::Module { widest: 0, items: 0 });
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(Open::Module { items, .. }) = self.open.pop() {
            self.modules.push(items);
        }
    }

    /// A component inside of another that is made, linked or called has the compiler write code for each pair of them, and for
    /// each time that one is made. What toolchains put there is a list of names.
    fn not_nested(&self) -> Result<(), LoadError> {
        if self.depth() > 1 { Err(LoadError::Composed) } else { Ok(()) }
    }

    fn add_functions(&mut self, count: u32) -> Result<(), LoadError> {
        let Limits { functions: limit, .. } = *self.limits;
        self.functions = self.functions.saturating_add(count as usize);
        within("functions", self.functions, limit, "functions")
    }

    fn add_items(&mut self, count: u32) {
        if let Some(Open::Module { items, .. }) = self.open.last_mut() {
            *items = items.saturating_add(count as usize);
        }
    }

    fn elements(&mut self, section: &ElementSectionReader<'_>) -> Result<(), LoadError> {
        for element in section.clone() {
            self.add_items(match element.map_err(LoadError::malformed)?.items {
                ElementItems::Functions(functions) => functions.count(),
                ElementItems::Expressions(_, expressions) => expressions.count(),
            });
        }
        Ok(())
    }

    fn types(&mut self, section: &TypeSectionReader<'_>) -> Result<(), LoadError> {
        for function in section.clone().into_iter_err_on_gc_types() {
            let function = function.map_err(LoadError::malformed)?;
            let values = function.params().len() + function.results().len();
            if let Some(Open::Module { widest, .. }) = self.open.last_mut() {
                *widest = values.max(*widest);
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let bytes = body.range().len();
        within("bytes in one function", bytes, self.limits.function_bytes, "function_bytes")?;
        let widest = match self.open.last() {
            Some(Open::Module { widest, .. }) => *widest,
            _ => 0,
        };
        let mut values = widest;
        for locals in body.get_locals_reader().map_err(LoadError::malformed)? {
            let (count, _) = locals.map_err(LoadError::malformed)?;
            values = values.saturating_add(count as usize);
        }
        let mut shape = Shape::default();
        for operator in body.get_operators_reader().map_err(LoadError::malformed)? {
            shape.count(&operator.map_err(LoadError::malformed)?);
        }
        let joins = shape.joins(values, widest);
        within(JOINS, joins, self.limits.function_joins, "function_joins")?;
        self.joins = self.joins.saturating_add(joins);
        within(JOINS, self.joins, self.limits.joins, "joins")
    }

    fn instances(&mut self, section: &InstanceSectionReader<'_>) -> Result<(), LoadError> {
        for instance in section.clone() {
            if let Instance::Instantiate { module_index, .. } = instance.map_err(LoadError::malformed)? {
                let items = self.modules.get(module_index as usize).copied().unwrap_or(0);
                self.items = self.items.saturating_add(items);
            }
        }
        let what = "functions, globals, imports and elements in all its instances";
        within(what, self.items, self.limits.instance_items, "instance_items")
    }
}

const JOINS: &str = "values times blocks and calls";

/// What a function is made of, as far as the compiler's work on it grows with more than its length.
#[derive(Default)]
struct Shape {
    blocks: usize,
    calls: usize,
    /// Blocks through which as many values go as through a function.
    typed: usize,
}

impl Shape {
    /// Blocks that together weigh as much as one value: each is looked at from every other, but briefly.
    const BLOCKS_OF_A_VALUE: usize = 256;

    /// Calls that weigh as much as one value: each may leave an answer that is kept over all that come after.
    const CALLS_OF_A_VALUE: usize = 64;

    /// Values into typed blocks that weigh as much as one value.
    const TYPED_OF_A_VALUE: usize = 80;

    const fn count(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.blocks += 1;
                self.typed += matches!(blockty, BlockType::FuncType(_)) as usize;
            }
            Operator::Else => self.blocks += 1,
            Operator::Call { .. } | Operator::CallIndirect { .. } => self.calls += 1,
            _ => {}
        }
    }

    /// What compiling grows with. That it is this product was found by measuring: a thousand values in a thousand blocks take
    /// a second or two and 200 MB, from a file of 20 kB; three times as many of both take more than ten times as much.
    const fn joins(&self, values: usize, widest: usize) -> usize {
        let values = values
            .saturating_add(self.blocks / Self::BLOCKS_OF_A_VALUE)
            .saturating_add(self.calls / Self::CALLS_OF_A_VALUE)
            .saturating_add(self.typed.saturating_mul(widest) / Self::TYPED_OF_A_VALUE);
        self.blocks.saturating_add(self.calls).saturating_mul(values)
    }
}

fn within(what: &'static str, found: usize, limit: usize, setting: &'static str) -> Result<(), LoadError> {
    if found <= limit { Ok(()) } else { Err(LoadError::Workload { what, found, limit, setting }) }
}
