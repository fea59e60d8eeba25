//! A picture of one series: points and what was expected of them, as SVG.
// Kept: plotters brings web-sys and wasm-bindgen into the lock, and so into the vendor/ of the source tarball.

use super::series::{Expected, Series};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 48.0;

const MEASURED: &str = "#0b62a8";
const WANTED: &str = "#e08a3c";
const SOLID: &str = "stroke-width=\"2\"";
/// Wider than the other line, which covers it.
const DASHED: &str = "stroke-width=\"5\" stroke-dasharray=\"8 5\"";

/// The picture.
pub(super) fn svg(series: &Series) -> String {
    let frame = Frame::of(series);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{}: instructions for one request, measured and expected</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}: instructions for one request</text>\n",
        series.title, series.title
    );
    out.push_str(&legend());
    out.push_str(&frame.axes(series));
    // The expected line is straight on both kinds of axis.
    let wanted = [frame.first, frame.last].map(|x| (x, series.expected_at(x)));
    let measured: Vec<(f64, f64)> = series.points.iter().map(|(x, y)| (*x as f64, *y)).collect();
    out.push_str(&frame.line(&wanted, WANTED, DASHED));
    out.push_str(&frame.line(&measured, MEASURED, SOLID));
    for (x, y) in measured {
        let (x, y) = (frame.x(x), frame.y(y));
        out.push_str(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{MEASURED}\"/>\n"));
    }
    out.push_str("</svg>\n");
    out
}

/// The scale from numbers to places in the picture.
struct Frame {
    first: f64,
    last: f64,
    logarithmic: bool,
    /// The highest line of the vertical axis, and how far they are apart.
    most: f64,
    step: f64,
}

impl Frame {
    fn of(series: &Series) -> Frame {
        let at = |point: Option<&(usize, f64)>| point.map_or(1.0, |(x, _)| *x as f64);
        let highest = series.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
        let step = round_step(highest / 4.0);
        Frame {
            first: at(series.points.first()),
            last: at(series.points.last()),
            logarithmic: series.expected == Expected::Constant,
            most: (highest * 1.05 / step).ceil() * step,
            step,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.first) / self.first).ln() / (self.last / self.first).ln()
        } else {
            (value - self.first) / (self.last - self.first)
        };
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.most * (HEIGHT - TOP - BOTTOM)
    }

    fn line(&self, points: &[(f64, f64)], colour: &str, stroke: &str) -> String {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(*x), self.y(*y))).collect();
        format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" {stroke}/>\n", points.join(" "))
    }

    /// Lines, numbers, and what is counted.
    fn axes(&self, series: &Series) -> String {
        let mut out = String::new();
        let mut value = 0.0;
        while value <= self.most * 1.001 {
            let at = self.y(value);
            out.push_str(&format!(
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n{}",
                WIDTH - RIGHT,
                number(LEFT - 8.0, at + 4.0, "end", value)
            ));
            value += self.step;
        }
        let ticks: Vec<f64> = if self.logarithmic {
            series.points.iter().map(|(x, _)| *x as f64).collect()
        } else {
            (0..=4).map(|part| self.first + (self.last - self.first) * f64::from(part) / 4.0).collect()
        };
        for value in ticks {
            out.push_str(&number(self.x(value), HEIGHT - BOTTOM + 18.0, "middle", value));
        }
        out.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            series.unit
        ));
        out
    }
}

/// 1, 2 or 5 and zeros: the next one that is not less.
fn round_step(least: f64) -> f64 {
    let ten = 10f64.powf(least.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * ten).find(|step| *step >= least).unwrap_or(ten)
}

/// A number with commas between its thousands.
fn number(x: f64, y: f64, anchor: &str, value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups: Vec<String> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n", groups.join(","))
}

fn legend() -> String {
    let at = |x: f64, colour: &str, stroke: &str, text: &str| {
        format!(
            "<line x1=\"{x}\" x2=\"{}\" y1=\"32\" y2=\"32\" stroke=\"{colour}\" {stroke}/>\n\
             <text x=\"{}\" y=\"36\">{text}</text>\n",
            x + 26.0,
            x + 32.0
        )
    };
    at(LEFT, MEASURED, SOLID, "measured") + &at(LEFT + 120.0, WANTED, DASHED, "expected")
}

#[cfg(test)]
mod tests {
    use super::{Expected, Series, round_step, svg};

    fn series(expected: Expected, points: &[(usize, f64)]) -> String {
        svg(&Series { name: "x", title: "X", what: "", unit: "things", expected, points: points.to_vec() })
    }

    #[test]
    fn every_number_has_a_place() {
        let flat = series(Expected::Constant, &[(1, 35_124.0), (10, 35_014.0), (100, 35_031.0), (1_000, 35_222.0)]);
        let straight = series(Expected::Linear, &[(0, 35_457.0), (10, 63_156.0), (80, 269_989.0)]);
        for picture in [&flat, &straight] {
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
        assert_eq!(flat.matches("<circle").count() + 1, flat.matches("middle").count(), "a number at each point");
        assert!(flat.contains(">1,000<") && flat.contains(">40,000<") && straight.contains(">300,000<"));
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(9.0, 10.0), (11.0, 20.0), (8_750.0, 10_000.0), (67_497.0, 100_000.0), (0.0, 1.0)] {
            assert_eq!(round_step(least), step, "{least}");
        }
    }
}
