//! Values between Lua and RESP, by Redis' rules (`script_lua.c`): an integer is a number, a null is `false`, a status and an error
//! are tables with `ok` and `err`; and back, where a number loses its fraction and an array ends at its first `nil`.
//!
//! Differs from upstream, which sends a table with other keys as an array of keys and values and takes `true` as an argument: Redis
//! sends what is under 1, 2, 3 … and refuses. Differs from Redis: an array nests no deeper than the proxy reads; a table with
//! `double` or `map` is one like others.

use super::super::resp::{DEPTH_MAX, Reply};
use bytes::Bytes;
use mlua::{Function, Lua, LuaString, Result, Table, Value};

/// What a reply may hold, all its parts together: one string may stand in it many times.
const PARTS_MAX: usize = 1 << 20;
const BYTES_MAX: usize = 64 << 20;

/// A command's reply as a script gets it.
pub fn to_lua(lua: &Lua, reply: &Reply) -> Result<Value> {
    Ok(match reply {
        Reply::Integer(number) => Value::Integer(*number),
        Reply::Bulk(bytes) => Value::String(lua.create_string(bytes)?),
        Reply::Simple(text) => Value::Table(lua.create_table_from([("ok", text.as_str())])?),
        Reply::Error(text) => Value::Table(error_table(lua, text)?),
        Reply::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(to_lua(lua, item)?)?;
            }
            Value::Table(table)
        }
        // No command on a context passes on another server's reply.
        Reply::NullBulk | Reply::NullArray | Reply::Verbatim(_) => Value::Boolean(false),
    })
}

/// `{err = text}`
pub fn error_table(lua: &Lua, text: &str) -> Result<Table> {
    lua.create_table_from([("err", text)])
}

/// Words of a command; `None` if one is neither a string nor a number. A number keeps all its digits.
pub fn words(values: &[Value], format: &Function) -> Result<Option<Vec<Bytes>>> {
    let mut words = Vec::with_capacity(values.len());
    for value in values {
        words.push(match value {
            Value::String(text) => Bytes::copy_from_slice(&text.as_bytes()),
            Value::Integer(number) if number.unsigned_abs() < 10u64.pow(17) => {
                number.to_string().into()
            }
            Value::Integer(_) | Value::Number(_) => {
                let text: LuaString = format.call(("%.17g", value))?;
                Bytes::copy_from_slice(&text.as_bytes())
            }
            _ => return Ok(None),
        });
    }
    Ok(Some(words))
}

/// Without its fraction. What no 64 bits hold is the least that they do, as it comes out of Redis on x86-64.
fn whole(number: f64) -> i64 {
    const END: f64 = -(i64::MIN as f64);
    if (-END..END).contains(&number) { number as i64 } else { i64::MIN }
}

/// What a script returned, as its reply.
pub fn to_reply(value: &Value) -> Result<Reply> {
    let mut room = Room { parts: PARTS_MAX, bytes: BYTES_MAX, is_full: false };
    let reply = room.reply(value, 0)?;
    Ok(match room.is_full {
        true => Reply::Error("ERR the reply of the script is too big".into()),
        false => reply,
    })
}

/// What may still be added to a reply.
struct Room {
    parts: usize,
    bytes: usize,
    is_full: bool,
}

impl Room {
    fn reply(&mut self, value: &Value, depth: usize) -> Result<Reply> {
        let bytes = if let Value::String(text) = value { text.as_bytes().len() } else { 0 };
        match (self.parts.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(parts), Some(bytes)) => (self.parts, self.bytes) = (parts, bytes),
            _ => self.is_full = true,
        }
        Ok(match value {
            Value::String(text) => Reply::Bulk(Bytes::copy_from_slice(&text.as_bytes())),
            Value::Integer(number) => Reply::Integer(*number),
            Value::Number(number) => Reply::Integer(whole(*number)),
            Value::Boolean(true) => Reply::Integer(1),
            Value::Table(table) => self.table(table, depth)?,
            _ => Reply::NullBulk,
        })
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<Reply> {
        if let Value::String(text) = table.raw_get("err")? {
            return Ok(Reply::Error(text.to_string_lossy()));
        }
        if let Value::String(text) = table.raw_get("ok")? {
            return Ok(Reply::Simple(text.to_string_lossy()));
        }
        if depth == DEPTH_MAX {
            return Ok(Reply::Error("ERR reached lua stack limit".into()));
        }
        let mut items = Vec::new();
        loop {
            let value: Value = table.raw_get(items.len() + 1)?;
            if value.is_nil() || self.is_full {
                return Ok(Reply::Array(items));
            }
            items.push(self.reply(&value, depth + 1)?);
        }
    }
}
