//! Figures side by side, a row each, for people.

use std::fmt;

/// Rows of a name and a figure for each column; a figure that is not known is a dash.
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    pub(super) fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: vec![],
        }
    }

    /// A row of figures.
    pub(super) fn row(
        &mut self,
        name: impl Into<String>,
        figures: impl IntoIterator<Item = Option<f64>>,
    ) {
        let figures = figures.into_iter().map(figure).collect();
        self.rows.push((name.into(), figures));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|(name, _)| name.chars().count());
        let first = names.max().unwrap_or_default();
        let width = |at: usize, heading: &String| {
            let figures = self.rows.iter().filter_map(|(_, figures)| figures.get(at));
            let widths = figures.chain([heading]).map(|text| text.chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, heading)| width(at, heading))
            .collect();
        let headings = (&String::new(), &self.columns);
        let rows = self.rows.iter().map(|(name, figures)| (name, figures));
        for (name, figures) in [headings].into_iter().chain(rows) {
            write!(f, "{name:<first$}")?;
            for (figure, width) in figures.iter().zip(&widths) {
                write!(f, "  {figure:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// As many decimals as its size asks for, thousands set apart.
fn figure(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return "–".into();
    };
    let decimals = match value.abs() {
        small if small < 10.0 => 3,
        middle if middle < 1_000.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.find('.').map_or((&*text, ""), |at| text.split_at(at));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    format!("{sign}{}{rest}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_decimals_that_their_size_asks_for() {
        let told =
            [0.0, 0.1234, 12.34, 999.96, 1_234.5, 12_345_678.0, -1_500.0].map(|v| figure(Some(v)));
        assert_eq!(
            told,
            [
                "0.000",
                "0.123",
                "12.3",
                "1,000.0",
                "1,234",
                "12,345,678",
                "-1,500"
            ]
        );
        assert_eq!(figure(None), "–");
        assert_eq!(figure(Some(f64::NAN)), "–");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(["Refill", "floor"]);
        table.row("orders", [Some(2_000.0), Some(1.5)]);
        table.row("  bench", [None, Some(0.25)]);
        let lines: Vec<String> = table.to_string().lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "         Refill  floor",
                "orders    2,000  1.500",
                "  bench       –  0.250",
            ]
        );
    }
}
