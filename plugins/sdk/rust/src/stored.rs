//! Values as bytes: one form for each value, and anything else is no value.

use std::rc::Rc;

/// A value that can be written as bytes and read again.
pub trait Stored: Sized {
    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes its bytes from the front; `None` when they are not what was written.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! stored_numbers {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}

stored_numbers!(u8, u32, u64, i64, f64);

impl Stored for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        if bool::read(from)? { Some(Some(T::read(from)?)) } else { Some(None) }
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?))
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).write(out);
        self.iter().for_each(|item| item.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u32::read(from)?;
        // Not reserved ahead: the length is as trustworthy as the bytes are.
        (0..length).map(|_| T::read(from)).collect()
    }
}

macro_rules! stored_texts {
    ($($text:ty),*) => {$(
        impl Stored for $text {
            fn write(&self, out: &mut Vec<u8>) {
                u32::try_from(self.len()).unwrap_or(u32::MAX).write(out);
                out.extend_from_slice(self.as_bytes());
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                let length = u32::read(from)? as usize;
                let (text, rest) = from.split_at_checked(length)?;
                *from = rest;
                Some(std::str::from_utf8(text).ok()?.into())
            }
        }
    )*};
}

stored_texts!(Rc<str>, Box<str>);

impl Stored for () {
    fn write(&self, _out: &mut Vec<u8>) {}

    fn read(_from: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

/// Bytes of most values: growing to these step by step would cost more than writing them.
const USUAL_BYTES: usize = 64;

/// The bytes of a value.
pub(crate) fn written(value: &impl Stored) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    value.write(&mut out);
    out
}

/// Writes many values. The bytes of each are exactly as long as they are: to cut what was reserved, which the contract asks for
/// of everything that is handed over, costs more than to copy them.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// The bytes of a value.
    pub(crate) fn written(&mut self, value: &impl Stored) -> Vec<u8> {
        self.0.clear();
        value.write(&mut self.0);
        self.0.as_slice().to_vec()
    }
}

/// The value whose bytes these are, all of them.
pub(crate) fn read_whole<T: Stored>(mut bytes: &[u8]) -> Option<T> {
    let value = T::read(&mut bytes)?;
    bytes.is_empty().then_some(value)
}
