//! How much more often people of one branch convert than those of another, and how sure that is.
//!
//! Of the difference of two shares: Newcombe's hybrid score interval (R. G. Newcombe, Interval estimation for the
//! difference between independent proportions, Statistics in Medicine 17, 1998, method 10), which holds for few people and
//! shares near 0 and 1 too. Of the relative uplift, the difference divided by the share of the control group: by the
//! delta method.

/// The 97.5 % quantile of the normal distribution: intervals are of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// How many people of a branch converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of how many.
    pub people: u64,
    /// How many of them.
    pub converted: u64,
}

/// An estimate with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Share {
    /// From 0 to 1; `None` of nobody.
    #[must_use]
    pub fn rate(self) -> Option<f64> {
        (self.people > 0).then(|| self.converted as f64 / self.people as f64)
    }

    /// Wilson's score interval.
    fn wilson(self) -> Option<(f64, f64, f64)> {
        let (rate, n) = (self.rate()?, self.people as f64);
        let middle = rate + Z * Z / (2.0 * n);
        let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        Some((rate, ((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)))
    }
}

/// By how much the share of `treated` is above that of `control`, from -1 to 1; `None` where one of them is nobody.
#[must_use]
pub fn difference(treated: Share, control: Share) -> Option<Estimate> {
    let ((t, t_low, t_high), (c, c_low, c_high)) = (treated.wilson()?, control.wilson()?);
    let value = t - c;
    let low = value - ((t - t_low).powi(2) + (c_high - c).powi(2)).sqrt();
    let high = value + ((t_high - t).powi(2) + (c - c_low).powi(2)).sqrt();
    Some(Estimate { value, low, high })
}

/// The difference relative to the share of `control`: 0.1 is a tenth more. `None` where nobody of it converted.
#[must_use]
pub fn uplift(treated: Share, control: Share) -> Option<Estimate> {
    let (t, c) = (treated.rate()?, control.rate().filter(|rate| *rate > 0.0)?);
    let variance = |rate: f64, share: Share| rate * (1.0 - rate) / share.people as f64;
    let value = (t - c) / c;
    let deviation = (variance(t, treated) / (c * c) + variance(c, control) * t * t / c.powi(4)).sqrt();
    Some(Estimate { value, low: value - Z * deviation, high: value + Z * deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(converted: u64, people: u64) -> Share {
        Share { people, converted }
    }

    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 5e-5, "{found} is not {wanted}");
    }

    /// The examples of Newcombe's paper, table II, method 10.
    #[test]
    fn newcombes_own_examples() {
        for (a, b, low, high) in [
            (share(56, 70), share(48, 80), 0.0524, 0.3339),
            (share(9, 10), share(3, 10), 0.1705, 0.8090),
            (share(6, 7), share(2, 7), 0.0582, 0.8062),
            (share(5, 56), share(0, 29), -0.0381, 0.1926),
            (share(0, 10), share(0, 20), -0.1611, 0.2775),
            (share(10, 10), share(0, 20), 0.6791, 1.0000),
        ] {
            let found = difference(a, b).unwrap();
            near(found.low, low);
            near(found.high, high);
        }
    }

    #[test]
    fn uplift_is_relative_to_the_control_group() {
        let found = uplift(share(120, 1_000), share(100, 1_000)).unwrap();
        near(found.value, 0.2);
        // Variance 0.12 * 0.88 / 1000 / 0.01 + 0.1 * 0.9 / 1000 * 0.0144 / 0.0001 = 0.02352.
        near(found.high - found.value, Z * 0.023_52_f64.sqrt());
        assert_eq!(uplift(share(1, 10), share(0, 10)), None);
        assert_eq!(difference(share(1, 10), share(0, 0)), None);
    }
}
