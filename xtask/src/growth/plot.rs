//! A picture of one series: points and what was expected of them, as SVG.

use super::series::Series;

/// What the cost should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The same everywhere.
    Constant,
    /// A straight line.
    Linear,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 45.0;

/// The picture. The horizontal axis is logarithmic, so that small numbers are seen as well.
pub(super) fn svg(series: &Series) -> String {
    let most = series.points.iter().map(|(_, y)| *y).fold(0.0, f64::max) * 1.15;
    let last = series.points.last().map_or(1, |(x, _)| *x);
    let x = |value: usize| LEFT + ((value + 1) as f64).ln() / ((last + 1) as f64).ln() * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}: instructions for one request</text>\n",
        series.title
    );
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        let at = y(value);
        out.push_str(&format!(
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>\n",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        ));
    }
    for (value, _) in &series.points {
        out.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>\n",
            x(*value),
            HEIGHT - BOTTOM + 18.0
        ));
    }
    out.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        series.unit
    ));
    // A straight line is a curve on this axis: many short pieces.
    let steps = (0..=60).map(|step| {
        let value = ((f64::from(step) / 60.0 * ((last + 1) as f64).ln()).exp() - 1.0).round().max(0.0) as usize;
        let value = value.max(series.points.first().map_or(0, |(x, _)| *x));
        format!("{:.1},{:.1}", x(value), y(series.expected_at(value)))
    });
    let expected: Vec<String> = steps.collect();
    out.push_str(&format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#888\" stroke-dasharray=\"5 4\"/>\n",
        expected.join(" ")
    ));
    let measured: Vec<String> =
        series.points.iter().map(|(value, cost)| format!("{:.1},{:.1}", x(*value), y(*cost))).collect();
    out.push_str(&format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#0b62a8\" stroke-width=\"2\"/>\n",
        measured.join(" ")
    ));
    for (value, cost) in &series.points {
        out.push_str(&format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"#0b62a8\"/>\n", x(*value), y(*cost)));
    }
    out.push_str("</svg>\n");
    out
}
