//! WASI without a system behind it. The C libraries of most languages name functions of WASI preview 1 whether a plugin
//! uses them or not; this module stands in for all of them, inside the component, so that `emit` is the only import left.
//!
//! Nothing here knows anything of the outside: there are no files, no arguments, no environment; output goes nowhere; the
//! clock stands still and what is asked for as random is zeros, because equal inputs must give equal outputs.

use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg,
    MemoryType, Module, TypeSection, ValType,
};

/// The module whose functions are stood in for.
pub(crate) const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// What a stand-in does.
#[derive(Clone, Copy)]
enum Does {
    /// Succeeds, and there was nothing to do.
    Nothing,
    /// Says that there is no such file.
    NoSuchFile,
    /// Says that there is no such function.
    NotHere,
    /// Both counts that are asked for are zero.
    CountsNothing,
    /// A time, at the place that the parameter of this index names: always the same.
    Time(u32),
    /// Fills the buffer with zeros.
    Zeros,
    /// Takes all that is written, and lets it go.
    Swallows,
    /// The plugin wants to end: that is a trap.
    Traps,
}

/// Everything in preview 1: name, parameters (`i` 32 and `I` 64 bits), and what its stand-in does.
const FUNCTIONS: [(&str, &str, Does); 46] = [
    ("args_get", "ii", Does::Nothing),
    ("args_sizes_get", "ii", Does::CountsNothing),
    ("clock_res_get", "ii", Does::Time(1)),
    ("clock_time_get", "iIi", Does::Time(2)),
    ("environ_get", "ii", Does::Nothing),
    ("environ_sizes_get", "ii", Does::CountsNothing),
    ("fd_advise", "iIIi", Does::NoSuchFile),
    ("fd_allocate", "iII", Does::NoSuchFile),
    ("fd_close", "i", Does::NoSuchFile),
    ("fd_datasync", "i", Does::NoSuchFile),
    ("fd_fdstat_get", "ii", Does::NoSuchFile),
    ("fd_fdstat_set_flags", "ii", Does::NoSuchFile),
    ("fd_fdstat_set_rights", "iII", Does::NoSuchFile),
    ("fd_filestat_get", "ii", Does::NoSuchFile),
    ("fd_filestat_set_size", "iI", Does::NoSuchFile),
    ("fd_filestat_set_times", "iIIi", Does::NoSuchFile),
    ("fd_pread", "iiiIi", Does::NoSuchFile),
    ("fd_prestat_dir_name", "iii", Does::NoSuchFile),
    ("fd_prestat_get", "ii", Does::NoSuchFile),
    ("fd_pwrite", "iiiIi", Does::NoSuchFile),
    ("fd_read", "iiii", Does::NoSuchFile),
    ("fd_readdir", "iiiIi", Does::NoSuchFile),
    ("fd_renumber", "ii", Does::NoSuchFile),
    ("fd_seek", "iIii", Does::NoSuchFile),
    ("fd_sync", "i", Does::NoSuchFile),
    ("fd_tell", "ii", Does::NoSuchFile),
    ("fd_write", "iiii", Does::Swallows),
    ("path_create_directory", "iii", Does::NoSuchFile),
    ("path_filestat_get", "iiiii", Does::NoSuchFile),
    ("path_filestat_set_times", "iiiiIIi", Does::NoSuchFile),
    ("path_link", "iiiiiii", Does::NoSuchFile),
    ("path_open", "iiiiiIIii", Does::NoSuchFile),
    ("path_readlink", "iiiiii", Does::NoSuchFile),
    ("path_remove_directory", "iii", Does::NoSuchFile),
    ("path_rename", "iiiiii", Does::NoSuchFile),
    ("path_symlink", "iiiii", Does::NoSuchFile),
    ("path_unlink_file", "iii", Does::NoSuchFile),
    ("poll_oneoff", "iiii", Does::NotHere),
    ("proc_exit", "i", Does::Traps),
    ("proc_raise", "i", Does::NotHere),
    ("random_get", "ii", Does::Zeros),
    ("sched_yield", "", Does::Nothing),
    ("sock_accept", "iii", Does::NoSuchFile),
    ("sock_recv", "iiiiii", Does::NoSuchFile),
    ("sock_send", "iiiii", Does::NoSuchFile),
    ("sock_shutdown", "ii", Does::NoSuchFile),
];

/// Error numbers of preview 1.
const SUCCESS: i32 = 0;
const BAD_FILE: i32 = 8;
const NO_SUCH_FUNCTION: i32 = 52;

/// What every clock shows. Not zero: Go's runtime takes that for a clock which does not work, and ends.
const STANDING_CLOCK: i64 = 1;

/// Bytes of one buffer in the list that `fd_write` is given: where it is, and how long.
const BUFFER_BYTES: i32 = 8;

/// Whether preview 1 has a function of that name.
pub(crate) fn knows(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

/// The module that stands in for preview 1. It lives in the plugin's own memory.
pub(crate) fn stand_in() -> Vec<u8> {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    for (index, (name, letters, does)) in (0..).zip(FUNCTIONS) {
        let parameters: Vec<_> =
            letters.chars().map(|letter| if letter == 'I' { ValType::I64 } else { ValType::I32 }).collect();
        let result = if matches!(does, Does::Traps) { None } else { Some(ValType::I32) };
        types.ty().function(parameters, result);
        functions.function(index);
        exports.export(name, ExportKind::Func, index);
        code.function(&body(does));
    }
    let mut imports = ImportSection::new();
    let memory = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("env", "memory", EntityType::Memory(memory));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn body(does: Does) -> Function {
    match does {
        Does::Nothing => answers(SUCCESS),
        Does::NoSuchFile => answers(BAD_FILE),
        Does::NotHere => answers(NO_SUCH_FUNCTION),
        Does::CountsNothing => {
            let mut function = Function::new([]);
            let mut code = function.instructions();
            code.local_get(0).i32_const(0).i32_store(word(0));
            code.local_get(1).i32_const(0).i32_store(word(0));
            code.i32_const(SUCCESS).end();
            function
        }
        Does::Time(place) => {
            let mut function = Function::new([]);
            let unaligned = MemArg { offset: 0, align: 0, memory_index: 0 };
            function
                .instructions()
                .local_get(place)
                .i64_const(STANDING_CLOCK)
                .i64_store(unaligned)
                .i32_const(SUCCESS)
                .end();
            function
        }
        Does::Zeros => {
            let mut function = Function::new([]);
            function.instructions().local_get(0).i32_const(0).local_get(1).memory_fill(0).i32_const(SUCCESS).end();
            function
        }
        Does::Swallows => swallows(),
        Does::Traps => {
            let mut function = Function::new([]);
            function.instructions().unreachable().end();
            function
        }
    }
}

fn answers(number: i32) -> Function {
    let mut function = Function::new([]);
    function.instructions().i32_const(number).end();
    function
}

/// `fd_write(file, buffers, count, written)`: a library that hears of less than all of it would try again for ever.
fn swallows() -> Function {
    const BUFFERS: u32 = 1;
    const COUNT: u32 = 2;
    const WRITTEN: u32 = 3;
    const SUM: u32 = 4;
    let mut function = Function::new([(1, ValType::I32)]);
    let mut code = function.instructions();
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(COUNT).i32_eqz().br_if(1);
    code.local_get(SUM).local_get(BUFFERS).i32_load(word(4)).i32_add().local_set(SUM);
    code.local_get(BUFFERS).i32_const(BUFFER_BYTES).i32_add().local_set(BUFFERS);
    code.local_get(COUNT).i32_const(1).i32_sub().local_set(COUNT);
    code.br(0).end().end();
    code.local_get(WRITTEN).local_get(SUM).i32_store(word(0)).i32_const(SUCCESS).end();
    function
}

/// A place that a plugin names need not be aligned.
const fn word(offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_is_valid_and_imports_the_plugins_memory_alone() {
        let module = stand_in();
        wasmparser::Validator::new().validate_all(&module).unwrap();
        assert!(knows("fd_write") && !knows("fd_unheard_of"));
    }
}
