//! Lua scripts (`adapter/redis_lua.go`, `redis_lua_context.go`): EVAL runs a script in one go against one snapshot, fenced as EXEC's
//! is, its commands over what it wrote before, and what it wrote is one transaction. On a conflict the whole script runs again. Each run
//! has a Lua of its own, which costs about a quarter of a millisecond.
//!
//! Promises: the same script on the same snapshot at the same time gives the same reply and the same writes, on every machine of the
//! same kind. A script has no clock, no files and no address of a value, and `math.random` gives the same numbers in every script,
//! as Redis' did before 7. A script ends: after [`STEPS_MAX`] instructions, or with [`MEMORY_MAX`] bytes of its own, it is an error. One
//! that raises an error has written nothing, as upstream (Redis keeps what it had written by then).
//!
//! Differs from upstream: names and texts are Redis' 7.0 (a global is neither made nor read by mistake, an argument is a string
//! or a number); every command on keys can be called; a follower passes scripts on to the leader, where upstream's refuses them. Left
//! out: `cjson`, `cmsgpack`; and of Redis also coroutines, `loadstring`, `bit`, `struct`, `redis.log`, `redis.setresp`, the `#!lua` line,
//! PING and PUBLISH in a script, libraries that cannot be changed.
//!
//! Cannot see: the order in which `pairs` gives keys that are tables or functions, which is by their address; the last digits of
//! `math.sin` and what is like it, and how no number is written, which are the machine's; how long one instruction takes: a
//! pattern that tries very much, many strings that Lua's hash does not tell apart, a command on very much data.

use super::command::{Command, CommandError, Name, integer};
use super::context::Context;
use super::resp::Reply;
use super::streams;
use bytes::Bytes;
use mlua::chunk::ChunkMode;
use mlua::{
    Error, Function, HookTriggers, Lua, LuaOptions, Result, StdLib, Table, Value, Variadic, VmState,
};
use sha1_smol::Sha1;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

mod values;

const PRELUDE: &str = include_str!("lua/prelude.lua");
/// What a script is called in errors. Redis' name.
const SCRIPT: &str = "@user_script";
/// Instructions of the machine that a script may take.
pub const STEPS_MAX: u64 = 10_000_000;
/// Between two looks at how many there were.
const STEPS_LOOK: u32 = 1_000;
/// What a call of a command counts, beside one step for every byte of its words.
const STEPS_CALL: u64 = 500;
/// Bytes that a script's values may take.
pub const MEMORY_MAX: usize = 32 << 20;

/// The name under which EVALSHA finds a script.
pub fn digest(script: &[u8]) -> String {
    Sha1::from(script).digest().to_string()
}

/// Whether it is a program: SCRIPT LOAD keeps no other.
pub fn check(script: &[u8]) -> std::result::Result<(), CommandError> {
    let lua = open().map_err(|error| failed(script, &error))?;
    compile(&lua, script).map(|_| ())
}

/// `EVAL script numkeys [key …] [arg …]`
pub fn eval(context: &mut Context<'_>, args: &[Bytes]) -> std::result::Result<Reply, CommandError> {
    let (script, words) = (&args[1], &args[3..]);
    let count = integer(&args[2])?;
    let Ok(count) = usize::try_from(count) else {
        return Err(script_error("ERR Number of keys can't be negative"));
    };
    if count > words.len() {
        return Err(script_error("ERR Number of keys can't be greater than number of args"));
    }
    let (keys, argv) = words.split_at(count);
    let ran = Run::of(context, script, keys, argv);
    if ran.is_err() {
        context.forget_writes();
    }
    ran
}

fn script_error(text: impl Into<String>) -> CommandError {
    CommandError::Script(text.into())
}

fn failed(script: &[u8], error: &Error) -> CommandError {
    script_error(format!("ERR Error running script {}, {error}", digest(script)))
}

/// A machine with the libraries that touch nothing but values.
fn open() -> Result<Lua> {
    Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::new())
}

fn compile(lua: &Lua, script: &[u8]) -> std::result::Result<Function, CommandError> {
    let chunk = lua.load(script).set_name(SCRIPT).set_mode(ChunkMode::Text);
    chunk.into_function().map_err(|error| {
        let text = match &error {
            Error::SyntaxError { message, .. } => message.clone(),
            other => other.to_string(),
        };
        script_error(format!("ERR Error compiling script (new function): {text}"))
    })
}

/// An error that a call of ours raises in a script.
#[derive(Clone, Debug)]
struct Raised {
    text: String,
    /// A table with `err`, as the replies of commands are; or the text alone.
    is_reply: bool,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Raised {}

impl Raised {
    fn reply(text: &str) -> Error {
        Error::external(Raised { text: text.to_owned(), is_reply: true })
    }

    /// With the place of the script where it is raised.
    fn message(lua: &Lua, text: &str) -> Error {
        let place = line(lua).map_or(String::new(), |line| format!("user_script:{line}: "));
        Error::external(Raised { text: format!("{place}{text}"), is_reply: false })
    }

    fn of(error: &Error) -> Raised {
        match error {
            Error::CallbackError { cause, .. } => Raised::of(cause),
            other => match other.downcast_ref::<Raised>() {
                Some(raised) => raised.clone(),
                None => Raised { text: other.to_string(), is_reply: false },
            },
        }
    }
}

/// Where the script is, in the innermost of its functions.
fn line(lua: &Lua) -> Option<usize> {
    let is_script = |level| {
        lua.inspect_stack(level, |frame| {
            let of_script = frame.source().source.is_some_and(|source| source == SCRIPT);
            of_script.then(|| frame.current_line()).flatten()
        })
    };
    (0..).map_while(is_script).flatten().next()
}

/// How far a script is with what it may do.
#[derive(Default)]
struct Meter {
    steps: Cell<u64>,
    /// It ends, whatever it catches.
    spent: Cell<bool>,
}

impl Meter {
    fn count(&self, steps: u64) -> Result<()> {
        self.steps.set(self.steps.get().saturating_add(steps));
        if self.steps.get() > STEPS_MAX {
            self.spent.set(true);
            return Err(Raised::reply("ERR the script takes too long"));
        }
        Ok(())
    }

    /// Ends the script when it has taken its steps. Then every single one raises the error again, so that nothing gets far with catching it.
    fn watch(meter: &Rc<Meter>, lua: &Lua) -> Result<()> {
        let meter = meter.clone();
        let triggers = HookTriggers::new().every_nth_instruction(STEPS_LOOK);
        lua.set_global_hook(triggers, move |lua, _| {
            let counted = meter.count(u64::from(STEPS_LOOK));
            if counted.is_err() {
                let meter = meter.clone();
                let triggers = HookTriggers::new().every_nth_instruction(1);
                lua.set_global_hook(triggers, move |_, _| {
                    meter.count(1).map(|()| VmState::Continue)
                })?;
            }
            counted.map(|()| VmState::Continue)
        })
    }
}

/// One run of one script.
struct Run<'a, 'b> {
    lua: &'a Lua,
    script: &'a [u8],
    context: RefCell<&'a mut Context<'b>>,
    meter: Rc<Meter>,
    /// `string.format`, as it was before the script.
    format: Function,
}

impl<'a, 'b> Run<'a, 'b> {
    fn of(
        context: &'a mut Context<'b>,
        script: &'a [u8],
        keys: &[Bytes],
        argv: &[Bytes],
    ) -> std::result::Result<Reply, CommandError> {
        let opened = open().and_then(|lua| Ok((lua.clone(), format_of(&lua)?)));
        let (lua, format) = opened.map_err(|error| failed(script, &error))?;
        let chunk = compile(&lua, script)?;
        let context = RefCell::new(context);
        let run = Run { lua: &lua, script, context, meter: Rc::default(), format };
        let ran = run.start(chunk, keys, argv);
        if run.meter.spent.get() {
            let steps = format!("it took more than {STEPS_MAX} steps");
            return Err(failed(script, &Error::RuntimeError(steps)));
        }
        ran.unwrap_or_else(|error| Err(failed(script, &error)))
    }

    /// `Err`: of the machine itself, such as want of memory.
    fn start(
        &self,
        chunk: Function,
        keys: &[Bytes],
        argv: &[Bytes],
    ) -> Result<std::result::Result<Reply, CommandError>> {
        let lua = self.lua;
        lua.set_memory_limit(lua.used_memory() + MEMORY_MAX)?;
        // The script has another one.
        let xpcall: Function = lua.globals().get("xpcall")?;
        let said = RefCell::new(None);
        lua.scope(|scope| {
            let redis = lua.create_table()?;
            let returning =
                |lua: &Lua, words: Variadic<Value>| values::to_lua(lua, &self.call(&words)?);
            redis.set("pcall", scope.create_function(returning)?)?;
            let raising = |lua: &Lua, words: Variadic<Value>| match self.call(&words)? {
                Reply::Error(text) => Err(Raised::reply(&text)),
                reply => values::to_lua(lua, &reply),
            };
            redis.set("call", scope.create_function(raising)?)?;
            add_replies(lua, &redis)?;
            add_random(lua)?;
            let plain = lua.create_function(|lua, value| caught(lua, value, false))?;
            let table_of = lua.create_function(|lua, value| caught(lua, value, true))?;
            let prelude = lua.load(PRELUDE).set_name("=prelude").into_function()?;
            let strings = |words: &[Bytes]| {
                let words = words.iter().map(|word| lua.create_string(word));
                lua.create_sequence_from(words.collect::<Result<Vec<_>>>()?)
            };
            let globals: Table =
                prelude.call((redis, strings(keys)?, strings(argv)?, plain, table_of))?;
            chunk.set_environment(globals)?;
            let handler = scope.create_function(|lua, error: Value| {
                *said.borrow_mut() = Some(self.told(lua, &error)?);
                Ok(())
            })?;
            Meter::watch(&self.meter, lua)?;
            let (ok, value): (bool, Value) = xpcall.call((chunk, handler))?;
            if ok {
                return values::to_reply(&value).map(Ok);
            }
            // Whoever had no memory left was not asked for words.
            let said = said.take().unwrap_or_else(|| "ERR not enough memory".to_owned());
            Ok(Err(script_error(said)))
        })
    }

    /// A command of the script; what is wrong with it is a reply, too.
    fn call(&self, values: &[Value]) -> Result<Reply> {
        let refused = |text: &str| Ok(Reply::Error(text.to_owned()));
        if values.is_empty() {
            return refused("ERR Please specify at least one argument for this redis lib call");
        }
        let Some(words) = values::words(values, &self.format)? else {
            return refused("ERR Lua redis lib command arguments must be strings or integers");
        };
        let bytes: usize = words.iter().map(Bytes::len).sum();
        self.meter.count(STEPS_CALL + bytes as u64)?;
        let command = match Command::parse(words) {
            Ok(command) => command,
            Err(CommandError::Arity(_)) => {
                return refused("ERR Wrong number of args calling Redis command from script");
            }
            Err(_) => return refused("ERR Unknown Redis command called from script"),
        };
        if !runs_in_script(command.name) {
            return refused("ERR This Redis command is not allowed from script");
        }
        if command.name == Name::Xread && streams::patience(&command.args).is_some() {
            let name = String::from_utf8_lossy(&command.args[0]);
            let text = format!("ERR {name} command is not allowed with BLOCK option from scripts");
            return refused(&text);
        }
        let done = command.apply(&mut self.context.borrow_mut());
        Ok(done.unwrap_or_else(|error| Reply::Error(error.to_string())))
    }

    /// The reply to a script that raised this.
    fn told(&self, lua: &Lua, error: &Value) -> Result<String> {
        let text = match error {
            Value::Error(error) => match Raised::of(error) {
                Raised { text, is_reply: true } => text,
                Raised { text, .. } => format!("ERR {text}"),
            },
            Value::Table(table) => match table.get("err")? {
                Value::Nil => "ERR the script raised a table without err".to_owned(),
                text => text.to_string()?,
            },
            other => format!("ERR {}", other.to_string()?),
        };
        let place = |line| format!(" script: {}, on {SCRIPT}:{line}.", digest(self.script));
        Ok(text + &line(lua).map_or(String::new(), place))
    }
}

/// Whether a script may call it: what acts on keys and waits for nothing.
fn runs_in_script(name: Name) -> bool {
    use Name::{
        Bzpopmin, Client, Command, Discard, Eval, Evalsha, Exec, Hello, Info, Multi, Ping, Publish,
        Pubsub, Quit, Script, Select, Subscribe, Unsubscribe,
    };
    !matches!(
        name,
        Bzpopmin
            | Client
            | Command
            | Discard
            | Eval
            | Evalsha
            | Exec
            | Hello
            | Info
            | Multi
            | Ping
            | Publish
            | Pubsub
            | Quit
            | Script
            | Select
            | Subscribe
            | Unsubscribe
    )
}

fn format_of(lua: &Lua) -> Result<Function> {
    lua.globals().get::<Table>("string")?.get("format")
}

/// An error as a script catches it: one of ours as a text or as the table that Redis raises.
fn caught(lua: &Lua, value: Value, as_table: bool) -> Result<Value> {
    let Value::Error(error) = &value else { return Ok(value) };
    let raised = Raised::of(error);
    match as_table && raised.is_reply {
        true => Ok(Value::Table(values::error_table(lua, &raised.text)?)),
        false => Ok(Value::String(lua.create_string(&raised.text)?)),
    }
}

/// `error_reply`, `status_reply`, `sha1hex`
fn add_replies(lua: &Lua, redis: &Table) -> Result<()> {
    const WRONG: &str = "ERR wrong number or type of arguments";
    let error_reply = |lua: &Lua, args: Variadic<Value>| match args.as_slice() {
        [Value::String(text)] => {
            let text = text.to_string_lossy();
            let text = text.strip_prefix('-').unwrap_or(&text);
            let code = if text.contains(' ') { "" } else { "ERR " };
            values::error_table(lua, &format!("{code}{text}"))
        }
        _ => values::error_table(lua, WRONG),
    };
    let status_reply = |lua: &Lua, args: Variadic<Value>| match args.as_slice() {
        [Value::String(text)] => lua.create_table_from([("ok", text)]),
        _ => values::error_table(lua, WRONG),
    };
    let sha1hex = |lua: &Lua, args: Variadic<Value>| match args.as_slice() {
        [value] => {
            let text = lua.coerce_string(value.clone())?;
            Ok(digest(&text.map_or(Vec::new(), |text| text.as_bytes().to_vec())))
        }
        _ => Err(Raised::reply("ERR wrong number of arguments")),
    };
    redis.set("error_reply", lua.create_function(error_reply)?)?;
    redis.set("status_reply", lua.create_function(status_reply)?)?;
    redis.set("sha1hex", lua.create_function(sha1hex)?)
}

/// `math.random`, `math.randomseed` over Redis' generator (`rand.c`), which is `lrand48`: every script gets the same numbers.
fn add_random(lua: &Lua) -> Result<()> {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let seeded = |seed: i32| (u64::from(seed as u32) << 16) + 0x330E;
    let state = Rc::new(Cell::new(seeded(0)));
    let math: Table = lua.globals().get("math")?;
    let next = state.clone();
    let random = move |lua: &Lua, bounds: Variadic<f64>| {
        next.set((next.get().wrapping_mul(MULTIPLIER) + 0xB) & MASK);
        let most = f64::from(i32::MAX);
        let part = ((next.get() >> 17) as f64 % most) / most;
        let whole = |bound: f64| f64::from(bound as i64 as i32);
        let (least, most) = match bounds[..] {
            [] => return Ok(part),
            [most] => (1.0, whole(most)),
            [least, most] => (whole(least), whole(most)),
            _ => return Err(Raised::message(lua, "wrong number of arguments")),
        };
        if least > most {
            let text = format!("bad argument #{} to 'random' (interval is empty)", bounds.len());
            return Err(Raised::message(lua, &text));
        }
        Ok((part * (most - least + 1.0)).floor() + least)
    };
    let randomseed = move |_: &Lua, seed: f64| {
        state.set(seeded(seed as i64 as i32));
        Ok(())
    };
    math.set("random", lua.create_function(random)?)?;
    math.set("randomseed", lua.create_function(randomseed)?)
}

#[cfg(test)]
mod tests;
