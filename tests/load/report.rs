//! A result as one HTML page that asks for nothing else.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::chart::{self, Bar, Line, escape};
use crate::outcome::{Outcome, Phase, Round, ScenarioOutcome, median};

const STYLE: &str = include_str!("report.css");

/// The page.
pub fn html(outcome: &Outcome) -> String {
    let mut page = String::new();
    let machine = &outcome.machine;
    put(
        &mut page,
        format_args!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>Entrepot bench {at}</title><style>{STYLE}</style>\
             <h1>Entrepot beside a bare handler</h1><p class=\"dim\">{at}, commit {commit}. {cores} cores ({cpu}), \
             {memory} MiB, Linux {kernel}, load average before {load:.1}; {connections} connections from {threads} \
             threads on the same machine.</p><p>The bare handler is actix with one handler that gives the recorded \
             answers of the shop, byte for byte. Both were asked in turns; absolute figures are of this machine at \
             that moment, ratios are what can be compared.</p>",
            at = outcome.at,
            commit = escape(outcome.commit.as_deref().unwrap_or("unknown")),
            cores = machine.cores,
            cpu = escape(&machine.cpu),
            memory = machine.memory_mib,
            kernel = escape(&machine.kernel),
            load = machine.load_average,
            connections = outcome.connections,
            threads = outcome.threads,
        ),
    );
    page.push_str(&overview(outcome));
    for scenario in &outcome.scenarios {
        page.push_str(&section(scenario));
    }
    page.push_str("</html>\n");
    page
}

fn overview(outcome: &Outcome) -> String {
    let mut text = "<h2>Share of the bare handler's throughput</h2><div class=\"wide\"><table><tr><th>scenario\
                    <th>ratio<th>worst and best round<th>goal<th>CPU ratio<th>shop, per s<th>bare, per s<th>errors"
        .to_owned();
    for scenario in &outcome.scenarios {
        let ratio = scenario.ratio;
        let class = if ratio.median < scenario.goal { "bad" } else { "good" };
        let errors: u64 = scenario.rounds.iter().map(|round| round.shop.errors).sum();
        put(
            &mut text,
            format_args!(
                "<tr><td>{}<td class=\"{class}\">{:.2}<td>{:.2} to {:.2}<td>{:.1}<td>{:.2}<td>{:.0}<td>{:.0}\
                 <td>{errors}",
                scenario.name,
                ratio.median,
                ratio.min,
                ratio.max,
                scenario.goal,
                scenario.cpu_ratio,
                middle(scenario, |round| round.shop.throughput),
                middle(scenario, |round| round.bare.throughput),
            ),
        );
    }
    text.push_str("</table></div>");
    text
}

fn section(scenario: &ScenarioOutcome) -> String {
    let mut text = format!(
        "<h2>{}</h2><p class=\"dim\"><span class=\"key shop\"></span>shop<span class=\"key bare\"></span>bare handler; \
         the red mark is the goal</p>",
        scenario.name
    );
    text.push_str(&throughput(scenario));
    if let Some(steady) = &scenario.steady {
        put(
            &mut text,
            format_args!(
                "<p>Latency at {:.0} requests per second, counted from when each was due:</p>",
                steady.rate
            ),
        );
        let line = |class, phase: &'_ Phase| (class, phase.latency.curve.clone());
        let lines = [line("bare", &steady.bare), line("shop", &steady.shop)];
        let lines = lines.each_ref().map(|(class, points)| Line { class, points });
        text.push_str(&chart::curve("latency by percentile", &lines));
        text.push_str(&latencies(&[("shop", &steady.shop), ("bare", &steady.bare)]));
    }
    text.push_str(&processes(scenario));
    text
}

fn throughput(scenario: &ScenarioOutcome) -> String {
    let (shop, bare) =
        (middle(scenario, |round| round.shop.throughput), middle(scenario, |round| round.bare.throughput));
    let bar = |label: &str, value: f64, class, mark| Bar {
        label: label.to_owned(),
        value,
        text: format!("{value:.0} per s"),
        class,
        mark,
    };
    let bars = [bar("shop", shop, "shop", Some(scenario.goal * bare)), bar("bare", bare, "bare", None)];
    chart::bars("throughput", &bars)
}

fn latencies(phases: &[(&str, &Phase)]) -> String {
    let mut text =
        "<div class=\"wide\"><table><tr><th>milliseconds<th>mean<th>p50<th>p95<th>p99<th>max<th>errors"
            .to_owned();
    for (name, phase) in phases {
        let latency = &phase.latency;
        put(
            &mut text,
            format_args!(
                "<tr><td>{name}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{}",
                latency.mean, latency.p50, latency.p95, latency.p99, latency.max, phase.errors
            ),
        );
    }
    text.push_str("</table></div>");
    text
}

/// CPU time by process and request, while the shop was asked at full speed, and memory afterwards.
fn processes(scenario: &ScenarioOutcome) -> String {
    let mut used = BTreeMap::<&str, (f64, f64)>::new();
    let requests: u64 = scenario.rounds.iter().map(|round| round.shop.requests).sum();
    for (name, usage) in scenario.rounds.iter().flat_map(|round| &round.shop.processes) {
        let (cpu, memory) = used.entry(name).or_default();
        *cpu += usage.cpu_seconds;
        *memory = memory.max(usage.memory_mib);
    }
    used.remove("bare");
    let per_request = |seconds: f64| seconds * 1e6 / (requests.max(1) as f64);
    let mut bars: Vec<_> = used
        .iter()
        .map(|(name, (cpu, memory))| Bar {
            label: (*name).to_owned(),
            value: per_request(*cpu),
            text: format!("{:.1} us, {memory:.0} MiB", per_request(*cpu)),
            class: if *name == "shop" { "shop" } else { "bare" },
            mark: None,
        })
        .collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    let chart = chart::bars("CPU time by process", &bars);
    format!(
        "<p>CPU time for one request, and memory, while the shop was asked as fast as possible:</p>{chart}"
    )
}

fn middle(scenario: &ScenarioOutcome, of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<_> = scenario.rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

fn put(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::outcome::{Machine, Ratio, SCHEMA, Steady};
    use crate::tally::Tally;

    use super::*;

    #[test]
    fn the_page_needs_nothing_else() {
        let phase = || Phase::new(&Tally::default(), 1.0, BTreeMap::new());
        let rounds = vec![Round { bare: phase(), shop: phase() }];
        let scenario = ScenarioOutcome {
            name: "product".into(),
            goal: 0.6,
            ratio: Ratio { median: 0.7, min: 0.6, max: 0.8 },
            cpu_ratio: 0.5,
            rounds,
            steady: Some(Steady { rate: 100.0, bare: phase(), shop: phase() }),
        };
        let cpu = "<script>".to_owned();
        let machine = Machine { cores: 2, cpu, memory_mib: 1, kernel: String::new(), load_average: 0.0 };
        let page = html(&Outcome {
            schema: SCHEMA,
            at: Timestamp::UNIX_EPOCH,
            commit: None,
            machine,
            connections: 1,
            threads: 1,
            scenarios: vec![scenario],
        });
        assert!(page.contains("<svg") && page.contains("0.70") && !page.contains("NaN"));
        for outside in ["http://", "https://", "<script", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
