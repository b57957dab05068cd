//! A figure: values of several runs, their median and spread, and the ratio to a reference of the same run.

/// The middle of the values; of an even number, the mean of the two in the middle. No values: not a number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Values of one thing in one unit.
#[derive(Debug, Clone, Default)]
pub struct Figure {
    /// One value a run, in order.
    pub values: Vec<f64>,
}

impl Figure {
    /// Median.
    pub fn median(&self) -> f64 {
        median(&self.values)
    }

    /// Median of the ratios, run by run: both were measured within moments of each other, so that what else the machine did
    /// weighs on both alike.
    pub fn ratio(&self, reference: &Figure) -> f64 {
        median(&self.values.iter().zip(&reference.values).map(|(own, other)| own / other).collect::<Vec<_>>())
    }

    /// Median, lowest and highest value.
    pub fn show(&self, decimals: usize) -> String {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.decimals$} ({least:.decimals$}–{most:.decimals$})", self.median())
    }
}

/// A target and whether it is met.
pub fn verdict(value: f64, most: f64) -> &'static str {
    if value <= most { "met" } else { "MISSED" }
}

/// Prints a table in Markdown.
pub fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n### {title}\n");
    println!("| {} |", head.join(" | "));
    println!("|{}", " --- |".repeat(head.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_a_ratio_is_taken_run_by_run() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        // The machine was twice as slow in the second run: the ratio stays.
        let own = Figure { values: vec![20.0, 40.0, 20.0] };
        let reference = Figure { values: vec![10.0, 20.0, 10.0] };
        assert_eq!(own.ratio(&reference), 2.0);
    }
}
