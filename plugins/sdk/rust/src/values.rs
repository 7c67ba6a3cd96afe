//! Values looked at side by side: a detector says once what it wants to know of a value, and asks it of several at a time.
//! With vector instructions (`-Ctarget-feature=+simd128`) that is one instruction a question, without them a loop. Either
//! way these functions are inlined without asking: as calls they would cost nine times what they do.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use std::arch::wasm32::{f64x2, f64x2_eq, f64x2_ge, f64x2_le, f64x2_splat, u64x2_splat, v128, v128_any_true, v128_or};

/// How many values are side by side.
pub(crate) const LANES: usize = 2;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
type Lanes = v128;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
type Marks = v128;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
type Lanes = [f64; LANES];
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
type Marks = [bool; LANES];

/// Values side by side.
#[derive(Clone, Copy)]
pub struct Values(Lanes);

/// Which of them are wanted. Two answers are joined with `|`.
#[derive(Clone, Copy)]
pub struct Wanted(Marks);

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
impl Values {
    #[inline(always)]
    pub(crate) fn of(values: &[f64; LANES]) -> Self {
        let [one, two] = *values;
        Self(f64x2(one, two))
    }

    /// Which are this or more. NaN never is.
    #[must_use]
    #[inline(always)]
    pub fn at_least(self, bound: f64) -> Wanted {
        Wanted(f64x2_ge(self.0, f64x2_splat(bound)))
    }

    /// Which are this or less. NaN never is.
    #[must_use]
    #[inline(always)]
    pub fn at_most(self, bound: f64) -> Wanted {
        Wanted(f64x2_le(self.0, f64x2_splat(bound)))
    }

    /// Which are exactly this. NaN never is.
    #[must_use]
    #[inline(always)]
    pub fn equal_to(self, value: f64) -> Wanted {
        Wanted(f64x2_eq(self.0, f64x2_splat(value)))
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
impl Wanted {
    #[inline(always)]
    pub(crate) fn none() -> Self {
        Self(u64x2_splat(0))
    }

    #[inline(always)]
    pub(crate) fn any(self) -> bool {
        v128_any_true(self.0)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(v128_or(self.0, other.0))
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
impl Values {
    #[inline(always)]
    pub(crate) fn of(values: &[f64; LANES]) -> Self {
        Self(*values)
    }

    /// Which are this or more. NaN never is.
    #[must_use]
    #[inline(always)]
    pub fn at_least(self, bound: f64) -> Wanted {
        Wanted(self.0.map(|value| value >= bound))
    }

    /// Which are this or less. NaN never is.
    #[must_use]
    #[inline(always)]
    pub fn at_most(self, bound: f64) -> Wanted {
        Wanted(self.0.map(|value| value <= bound))
    }

    /// Which are exactly this. NaN never is.
    #[must_use]
    #[inline(always)]
    pub fn equal_to(self, wanted: f64) -> Wanted {
        Wanted(self.0.map(|value| value == wanted))
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
impl Wanted {
    #[inline(always)]
    pub(crate) fn none() -> Self {
        Self([false; LANES])
    }

    #[inline(always)]
    pub(crate) fn any(self) -> bool {
        self.0.into_iter().any(|wanted| wanted)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        let ([one, two], [other_one, other_two]) = (self.0, other.0);
        Self([one | other_one, two | other_two])
    }
}

impl std::ops::BitOr for Wanted {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}
