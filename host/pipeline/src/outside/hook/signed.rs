//! Events as Orion has them, in a delivery that is signed: one JSON object, or a list of them.

use orion_model::{Event, IdBuilder, Timestamp};
use serde_json::Value;

use super::{Delivery, Hook, NotTaken, Read, items, json, no_event};
use crate::outside::MAX_ENTRY_BYTES;
use crate::outside::fields::{NoEvent, Origin, event_from, text, wrong};

/// Bytes of a name that who delivers gives an event.
const MAX_ID_BYTES: usize = 200;

/// The events of a delivery: all of it, or nothing.
pub(super) fn read(hook: &Hook, delivery: &Delivery, now: Timestamp) -> Result<Read, NotTaken> {
    let said = items(json(&delivery.body)?)?;
    let signature = delivery.signature.as_deref().unwrap_or_default();
    let mut read = Read { is_once: true, ..Read::default() };
    for (place, one) in said.iter().enumerate() {
        let (event, is_named) =
            event_of(hook, one, signature, place, now).map_err(|why| no_event(place, said.len(), &why))?;
        read.is_once &= !is_named;
        read.events.push(event);
    }
    Ok(read)
}

/// The event, and whether who delivers has given it a name: then it is known by that, otherwise by the signature and its place.
fn event_of(
    hook: &Hook,
    said: &Value,
    signature: &[u8],
    place: usize,
    now: Timestamp,
) -> Result<(Event, bool), NoEvent> {
    let bytes = said.to_string().len();
    if bytes > MAX_ENTRY_BYTES {
        return Err(NoEvent::TooLarge(bytes));
    }
    let mut fields = said.as_object().cloned().ok_or_else(|| wrong("event", "JSON object"))?;
    if let Some(event_type) = &hook.event_type {
        fields.insert("event_type".to_owned(), event_type.clone().into());
    }
    let name = text(&fields, "event_id")?;
    if name.is_some_and(|name| name.is_empty() || name.len() > MAX_ID_BYTES) {
        return Err(wrong("event_id", "text of 1 to 200 bytes"));
    }
    // Below the hook's name: who delivers here may not take the ids of what others record.
    let id = match name {
        Some(name) => IdBuilder::new("hook-named").text(&hook.name).text(name),
        None => IdBuilder::new("hook-signed").text(&hook.name).bytes(signature).number(place as i64),
    };
    let origin = Origin {
        written: now,
        id: id.finish(),
        identity: IdBuilder::new("hook").text(&hook.name),
        rule: hook.rule(),
        over: hook.labels.clone(),
    };
    Ok((event_from(&fields, origin)?, name.is_some()))
}
