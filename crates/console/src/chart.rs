//! A measure over time, drawn: lines with gaps where nothing is known, and what is needed to read them without seeing them.

use domain::UnixMs;

use crate::pulse::tenths;
use crate::tongue::Words;
use crate::words::{counted, minute, span};

/// The size of the drawing.
const WIDTH: i64 = 600;
const HEIGHT: i64 = 80;

/// What is drawn in one go: moments, and how much there was. Between two of them nothing is known.
pub(crate) type Piece = Vec<(UnixMs, i64)>;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Orders in and out, in tenths per second.
    Orders,
    /// Orders in doubt.
    Doubts,
    /// Reports that wait.
    Reports,
    /// For how long the first order has waited that no supplier has, in milliseconds.
    Unasked,
}

impl Measure {
    pub(crate) const fn name(self, w: &Words) -> &'static str {
        match self {
            Self::Orders => w.in_and_out,
            Self::Doubts => w.orders_in_doubt,
            Self::Reports => w.reports_waiting,
            Self::Unasked => w.oldest_without_supplier,
        }
    }

    /// As it is told.
    fn told(self, value: i64) -> String {
        match self {
            Self::Orders => tenths(value),
            Self::Doubts | Self::Reports => counted(value),
            Self::Unasked => span(value),
        }
    }

    /// One, in its unit: an axis does not end below that, or nothing at all would look like much.
    const fn one(self) -> i64 {
        match self {
            Self::Orders => 10,
            Self::Doubts | Self::Reports => 1,
            Self::Unasked => 1_000,
        }
    }
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is called in the style sheet.
    pub(crate) class: &'static str,
    pieces: Vec<Piece>,
}

impl Line {
    pub(crate) fn new(class: &'static str, mut pieces: Vec<Piece>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        Self { class, pieces }
    }

    /// What it is called on the page; empty where the chart has but one.
    pub(crate) fn name(&self, w: &Words) -> &'static str {
        match self.class {
            "in" => w.line_in,
            "out" => w.line_out,
            _ => "",
        }
    }

    fn points(&self) -> impl Iterator<Item = &(UnixMs, i64)> {
        self.pieces.iter().flatten()
    }
}

/// A measure over time, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    pub(crate) measure: Measure,
    /// When it ends.
    to: UnixMs,
    /// How far back it goes.
    span_ms: i64,
    /// Where its axis ends.
    top: i64,
    pub(crate) lines: Vec<Line>,
}

impl Chart {
    /// As wide as what is known up to `to`, and no wider than `most_ms`: where nobody has looked for long there is more to show than a dot.
    pub(crate) fn new(measure: Measure, to: UnixMs, most_ms: i64, lines: Vec<Line>) -> Self {
        let points = || lines.iter().flat_map(Line::points);
        let known = points().map(|(at, _)| to.0 - at.0).max().unwrap_or(most_ms);
        let most = points().map(|(_, value)| *value).max().unwrap_or(0);
        Self {
            measure,
            to,
            span_ms: known.clamp(most_ms / 30, most_ms),
            top: most.max(measure.one()),
            lines,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.pieces.is_empty())
    }

    /// What it shows: `Reports waiting, the last 24 h`.
    pub(crate) fn title(&self, w: &Words) -> String {
        let name = self.measure.name(w);
        format!("{name}, {} {}", w.the_last, span(self.span_ms))
    }

    /// For whoever does not see it: what it shows, the last of each line, and the most that there was.
    pub(crate) fn label(&self, w: &Words) -> String {
        let last = |line: &Line| {
            let (_, value) = line.points().last()?;
            let name = match line.name(w) {
                "" => w.at_last,
                name => name,
            };
            Some(format!("{name} {}", self.measure.told(*value)))
        };
        let parts = std::iter::once(self.title(w)).chain(self.lines.iter().filter_map(last));
        let most = self.lines.iter().flat_map(Line::points).map(|(_, v)| *v);
        let most = self.measure.told(most.max().unwrap_or(0));
        let parts = parts.chain([format!("{} {most}", w.most)]);
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Where the upper end of its axis stands.
    pub(crate) fn top(&self) -> String {
        self.measure.told(self.top)
    }

    /// Where the left end stands: `−24 h, 14:05`.
    pub(crate) fn left_end(&self) -> String {
        let at = minute(UnixMs(self.to.0 - self.span_ms));
        format!("−{}, {at}", span(self.span_ms))
    }

    /// And the right end.
    pub(crate) fn right_end(&self) -> String {
        minute(self.to)
    }

    /// The way of a line, as an SVG path has it: a step without a pen before each piece. A lone point is a line to itself, which is a dot.
    pub(crate) fn path(&self, line: &Line) -> String {
        let place = |(at, value): &(UnixMs, i64)| {
            let x = (WIDTH - (self.to.0 - at.0).saturating_mul(WIDTH) / self.span_ms).max(0);
            let y = HEIGHT - 1 - value.saturating_mul(HEIGHT - 2) / self.top;
            format!("{x},{y}")
        };
        let way = |piece: &Piece| {
            let lone = piece.iter().take(usize::from(piece.len() == 1));
            let places: Vec<String> = piece.iter().chain(lone).map(place).collect();
            format!("M{}", places.join(" "))
        };
        line.pieces.iter().map(way).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tongue::ENGLISH;

    const AN_HOUR: i64 = 3_600_000;

    fn reports(pieces: Vec<Piece>) -> Chart {
        let line = Line::new("wait", pieces);
        Chart::new(Measure::Reports, UnixMs(AN_HOUR), AN_HOUR, vec![line])
    }

    #[test]
    fn where_nothing_is_known_the_line_has_a_gap_and_a_lone_point_is_a_dot() {
        let at = |minutes: i64, value| (UnixMs(minutes * 60_000), value);
        let chart = reports(vec![
            vec![at(0, 4), at(6, 0)],
            vec![],
            vec![at(30, 2)],
            vec![at(54, 1), at(60, 4)],
        ]);
        let path = chart.path(&chart.lines[0]);
        assert_eq!(path, "M0,1 60,79M300,40 300,40M540,60 600,1");
        assert_eq!(chart.top(), "4");
        assert_eq!(
            (chart.left_end().as_str(), chart.right_end().as_str()),
            ("−60 min, 08:00", "09:00")
        );
        let label = "reports waiting, the last 60 min, at last 4, most 4";
        assert_eq!(chart.label(&ENGLISH), label);
    }

    #[test]
    fn an_axis_does_not_end_at_nothing_and_is_as_wide_as_what_is_known() {
        let chart = reports(vec![vec![(UnixMs(AN_HOUR - 600_000), 0)]]);
        assert_eq!((chart.top().as_str(), chart.span_ms), ("1", 600_000));
        assert_eq!(chart.path(&chart.lines[0]), "M0,79 0,79");
        let nothing = reports(vec![vec![]]);
        assert!(nothing.is_empty() && nothing.path(&nothing.lines[0]).is_empty());
    }
}
