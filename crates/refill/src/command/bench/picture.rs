//! Line charts side by side, as SVG.

use askama::Template;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
/// Between two panels, for the figures of the axis.
const GAP: f64 = 80.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 50.0;
/// Below the axis and what it says.
const LEGEND: f64 = HEIGHT + 52.0;
const LEGEND_LINE: f64 = 16.0;
/// Of the lines, told apart by people who do not see all colours too.
const COLOURS: [&str; 4] = ["#0b6bcb", "#d9480f", "#2b8a3e", "#6741d9"];

/// Several charts.
pub(super) struct Picture {
    pub(super) panels: Vec<Panel>,
}

/// One chart.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) across: &'static str,
    pub(super) up: &'static str,
    pub(super) across_scale: Scale,
    pub(super) up_scale: Scale,
    pub(super) lines: Vec<Line>,
}

/// What is drawn, from left to right.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    FromZero,
    Log,
}

#[derive(Template)]
#[template(path = "curve.svg", escape = "xml")]
struct Drawing {
    width: f64,
    height: f64,
    panels: Vec<DrawnPanel>,
}

struct DrawnPanel {
    left: f64,
    title: &'static str,
    across: &'static str,
    up: &'static str,
    across_ticks: Vec<Tick>,
    up_ticks: Vec<Tick>,
    lines: Vec<DrawnLine>,
}

struct DrawnLine {
    name: &'static str,
    colour: &'static str,
    path: String,
    points: Vec<(f64, f64)>,
    legend: f64,
}

struct Tick {
    at: f64,
    text: String,
}

impl Picture {
    /// The SVG file.
    pub(super) fn draw(&self) -> anyhow::Result<String> {
        let panels: Vec<DrawnPanel> = self
            .panels
            .iter()
            .scan(LEFT, |left, panel| {
                let drawn = panel.draw(*left);
                *left += WIDTH + GAP;
                Some(drawn)
            })
            .collect();
        let lines = panels.iter().map(|panel| panel.lines.len()).max();
        let most_lines = lines.map_or(0.0, |lines| {
            f64::from(u8::try_from(lines).unwrap_or(u8::MAX))
        });
        let width = panels.last().map_or(0.0, |last| last.left) + WIDTH + 30.0;
        let drawing = Drawing {
            width,
            height: TOP + LEGEND + LEGEND_LINE * (most_lines + 1.0),
            panels,
        };
        Ok(drawing.render()?)
    }
}

impl Panel {
    fn draw(&self, left: f64) -> DrawnPanel {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let across = Axis::over(self.across_scale, all().map(|(x, _)| *x));
        let up = Axis::over(self.up_scale, all().map(|(_, y)| *y));
        let place = |(x, y): &(f64, f64)| {
            let (x, y) = (across.part(*x) * WIDTH, (1.0 - up.part(*y)) * HEIGHT);
            (tenth(x), tenth(y))
        };
        let lines = self.lines.iter().zip(COLOURS.iter().cycle());
        let drawn = lines.scan(LEGEND, |legend, (line, colour)| {
            *legend += LEGEND_LINE;
            let points: Vec<(f64, f64)> = line.points.iter().map(place).collect();
            let path: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
            Some(DrawnLine {
                name: line.name,
                colour,
                path: path.join(" "),
                points,
                legend: *legend,
            })
        });
        DrawnPanel {
            left,
            title: self.title,
            across: self.across,
            up: self.up,
            across_ticks: across.ticks(|part| part * WIDTH),
            up_ticks: up.ticks(|part| (1.0 - part) * HEIGHT),
            lines: drawn.collect(),
        }
    }
}

/// An axis from `low` to `high`.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// Between two ticks; of a logarithmic axis every power of ten has one.
    step: f64,
}

impl Axis {
    fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        match scale {
            Scale::FromZero => {
                let step = round_step(most);
                let high = (most / step).ceil().max(1.0) * step;
                Self {
                    scale,
                    low: 0.0,
                    high,
                    step,
                }
            }
            Scale::Log => {
                let least = least.clamp(0.001, 1e12).log10().floor();
                let most = most.clamp(0.001, 1e12).log10().ceil().max(least + 1.0);
                Self {
                    scale,
                    low: least,
                    high: most,
                    step: 1.0,
                }
            }
        }
    }

    /// Where a value stands, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::FromZero => value,
            Scale::Log => value.max(0.001).log10(),
        };
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self, place: impl Fn(f64) -> f64) -> Vec<Tick> {
        let steps = std::iter::successors(Some(self.low), |at| Some(at + self.step));
        let within = steps.take_while(|at| *at <= self.high + self.step / 100.0);
        within
            .take(20)
            .map(|at| Tick {
                at: tenth(place((at - self.low) / (self.high - self.low))),
                text: match self.scale {
                    Scale::FromZero => plain(at),
                    Scale::Log => plain(10_f64.powf(at)),
                },
            })
            .collect()
    }
}

/// A round number of which three to six make up `most`.
fn round_step(most: f64) -> f64 {
    let rough = most.max(1e-6) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0];
    let fits = times.into_iter().find(|times| times * power >= rough);
    fits.unwrap_or(10.0) * power
}

fn plain(value: f64) -> String {
    match value.abs() {
        zero if zero < 1e-9 => "0".into(),
        small if small < 1.0 => format!("{value:.3}").trim_end_matches('0').to_owned(),
        middle if middle < 10_000.0 => format!("{}", tenth(value)),
        large if large < 1e6 => format!("{}k", tenth(value / 1e3)),
        _ => format!("{}M", tenth(value / 1e6)),
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ticks() {
        let texts = |scale, values: &[f64]| -> Vec<String> {
            let axis = Axis::over(scale, values.iter().copied());
            axis.ticks(|part| part)
                .into_iter()
                .map(|t| t.text)
                .collect()
        };
        assert_eq!(
            texts(Scale::FromZero, &[0.3, 0.9]),
            ["0", "0.2", "0.4", "0.6", "0.8", "1"]
        );
        assert_eq!(
            texts(Scale::FromZero, &[28_000.0]),
            ["0", "10k", "20k", "30k"]
        );
        assert_eq!(texts(Scale::Log, &[3.0, 700.0]), ["1", "10", "100", "1000"]);
        assert_eq!(
            texts(Scale::Log, &[]).len(),
            2,
            "nothing is drawn on something"
        );
    }

    #[test]
    fn a_picture_has_its_lines_and_names() {
        let picture = Picture {
            panels: vec![Panel {
                title: "Speed & cost",
                across: "load",
                up: "ms",
                across_scale: Scale::FromZero,
                up_scale: Scale::Log,
                lines: vec![Line {
                    name: "p99",
                    points: vec![(0.0, 1.0), (10.0, 10.0)],
                }],
            }],
        };
        let svg = picture.draw().unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("p99"), "{svg}");
        assert!(svg.contains("points=\"0,240 360,0\""), "{svg}");
        assert!(!svg.contains("Speed & cost"), "it is escaped");
    }
}
