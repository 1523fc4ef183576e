//! Charts as SVG, drawn with the colours of the page they stand in.

use std::fmt::Write;

/// One bar with what is written behind it.
#[derive(Debug)]
pub struct Bar {
    /// Before the bar.
    pub label: String,
    /// How long it is.
    pub value: f64,
    /// Behind the bar.
    pub text: String,
    /// Class of its colour: `shop` or `bare`.
    pub class: &'static str,
    /// A mark across the bar, such as a goal.
    pub mark: Option<f64>,
}

/// A line of a curve.
#[derive(Debug)]
pub struct Line<'a> {
    /// Class of its colour.
    pub class: &'static str,
    /// Percentile and milliseconds.
    pub points: &'a [(f64, f64)],
}

const WIDTH: f64 = 640.0;
const BAR_HEIGHT: f64 = 22.0;
const LABEL_WIDTH: f64 = 120.0;
const TEXT_WIDTH: f64 = 170.0;

/// Bars below each other, on one scale.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().flat_map(|bar| [Some(bar.value), bar.mark]).flatten().fold(0.0, f64::max);
    let longest = if longest > 0.0 { longest } else { 1.0 };
    let scale = (WIDTH - LABEL_WIDTH - TEXT_WIDTH) / longest;
    let height = as_float(bars.len()) * (BAR_HEIGHT + 6.0);
    let mut svg = open(title, height);
    for (place, bar) in bars.iter().enumerate() {
        let y = as_float(place) * (BAR_HEIGHT + 6.0);
        let (width, middle) = (bar.value * scale, y + BAR_HEIGHT * 0.7);
        put(
            &mut svg,
            format_args!(
                r#"<text x="{:.1}" y="{middle:.1}" text-anchor="end">{}</text>"#,
                LABEL_WIDTH - 8.0,
                escape(&bar.label)
            ),
        );
        put(
            &mut svg,
            format_args!(
                r#"<rect class="{}" x="{LABEL_WIDTH}" y="{y:.1}" width="{width:.1}" height="{BAR_HEIGHT}" rx="3"/>"#,
                bar.class
            ),
        );
        put(
            &mut svg,
            format_args!(
                r#"<text x="{:.1}" y="{middle:.1}">{}</text>"#,
                LABEL_WIDTH + width + 8.0,
                escape(&bar.text)
            ),
        );
        if let Some(mark) = bar.mark {
            let x = LABEL_WIDTH + mark * scale;
            put(
                &mut svg,
                format_args!(
                    r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}"/>"#,
                    y - 2.0,
                    y + BAR_HEIGHT + 2.0
                ),
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Latency by percentile: both axes logarithmic, so that the tail has room.
pub fn curve(title: &str, lines: &[Line<'_>]) -> String {
    const HEIGHT: f64 = 260.0;
    const LEFT: f64 = 80.0;
    const RIGHT: f64 = 40.0;
    const BOTTOM: f64 = 230.0;
    const TOP: f64 = 10.0;
    // One nine of 100 is a third of the way to three of them, and so on; 100 % has no place.
    let x = |percentile: f64| {
        LEFT + (WIDTH - LEFT - RIGHT) * -(1.0 - percentile.min(99.99) / 100.0).log10() / 4.0
    };
    let values = || lines.iter().flat_map(|line| line.points).map(|(_, ms)| ms.max(0.01));
    let lowest = values().fold(f64::INFINITY, f64::min).log10().floor();
    let highest = values().fold(0.01, f64::max).log10().ceil().max(lowest + 1.0);
    let y = |ms: f64| BOTTOM - (BOTTOM - TOP) * (ms.max(0.01).log10() - lowest) / (highest - lowest);
    let mut svg = open(title, HEIGHT);
    for percentile in [0.0, 50.0, 90.0, 99.0, 99.9, 99.99] {
        let x = x(percentile);
        put(
            &mut svg,
            format_args!(r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{BOTTOM}"/>"#),
        );
        put(
            &mut svg,
            format_args!(
                r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{percentile} %</text>"#,
                BOTTOM + 18.0
            ),
        );
    }
    let mut power = lowest;
    while power <= highest {
        let (ms, y) = (10_f64.powf(power), y(10_f64.powf(power)));
        put(
            &mut svg,
            format_args!(
                r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#,
                WIDTH - RIGHT
            ),
        );
        put(
            &mut svg,
            format_args!(
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{ms} ms</text>"#,
                LEFT - 6.0,
                y + 4.0
            ),
        );
        power += 1.0;
    }
    for line in lines {
        let points = line.points.iter().filter(|(percentile, _)| *percentile < 100.0);
        let points: Vec<_> =
            points.map(|(percentile, ms)| format!("{:.1},{:.1}", x(*percentile), y(*ms))).collect();
        put(&mut svg, format_args!(r#"<polyline class="{}" points="{}"/>"#, line.class, points.join(" ")));
    }
    svg.push_str("</svg>");
    svg
}

/// Text inside of HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn open(title: &str, height: f64) -> String {
    format!(r#"<svg role="img" aria-label="{}" viewBox="0 0 {WIDTH} {height:.0}">"#, escape(title))
}

fn put(svg: &mut String, part: std::fmt::Arguments<'_>) {
    svg.write_fmt(part).expect("a String takes every write");
}

fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fits_and_text_is_text() {
        let bar =
            |value| Bar { label: "a<b".into(), value, text: "1".into(), class: "shop", mark: Some(5.0) };
        let svg = bars("title", &[bar(10.0), bar(0.0)]);
        assert!(svg.contains("width=\"350.0\"") && svg.contains("a&lt;b") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_curve_stays_inside() {
        let points = [(0.0, 0.0), (50.0, 0.5), (99.99, 900.0), (100.0, 5_000.0)];
        let svg = curve("title", &[Line { class: "shop", points: &points }]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let line = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a line");
        for point in line.split(' ') {
            let (x, y) = point.split_once(',').expect("x,y");
            let inside =
                |text: &str, most: f64| text.parse::<f64>().is_ok_and(|value| (0.0..=most).contains(&value));
            assert!(inside(x, 640.0) && inside(y, 260.0), "{point}");
        }
    }
}
