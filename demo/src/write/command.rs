//! `demo seed`: its arguments and its report.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{ORDERS_MAX, Progress, Seeded, Settings, Wanted};
use crate::shop::{PRODUCTS_MAX, PRODUCTS_MIN};

/// What a shell says of a program that Ctrl-C ended.
const STOPPED: i32 = 130;

/// Arguments of `seed`.
#[derive(Debug, clap::Args)]
pub struct Seed {
    /// How many orders; all else is in proportion
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(ORDERS_MAX)))]
    pub orders: u32,
    /// How many products [default: one to ten orders]
    #[arg(long, value_parser = clap::value_parser!(u32).range(i64::from(PRODUCTS_MIN)..=i64::from(PRODUCTS_MAX)))]
    pub products: Option<u32>,
    /// How many behaviour events, about [default: 30 to an order]
    #[arg(long)]
    pub events: Option<u32>,
    /// What all chance comes from: the same seed, numbers and end give the same shop
    #[arg(long, default_value_t = 42)]
    pub seed: u32,
    /// What the two years of history lead up to, such as 2026-11-01T00:00Z [default: the hour that has begun, or the
    /// end of the shop that is there]
    #[arg(long)]
    pub end: Option<Timestamp>,
    /// Do nothing where there are products or orders, and go on with a demonstration that was not finished
    #[arg(long)]
    pub if_empty: bool,
    /// Also into stores that are not for development
    #[arg(long)]
    pub yes: bool,
}

/// Makes the shop, shows how far it is and prints what was written.
pub async fn run(arguments: Seed, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<()> {
    let Seed { orders, products, events, seed, end, if_empty, yes } = arguments;
    anyhow::ensure!(
        yes || settings.environment == "development",
        "these stores are for {}: --yes makes a demonstration shop in them all the same",
        settings.environment
    );
    anyhow::ensure!(end.is_none_or(|end| end <= Timestamp::now()), "the end of the history is in the future");
    let progress = Progress::shown(orders);
    let wanted = Wanted { orders, products, events, seed, end, if_empty };
    let seeded = tokio::select! {
        seeded = super::seed(settings, wanted, &progress) => seeded,
        () = stop.cancelled() => {
            progress.clear();
            eprintln!("stopped: the same command goes on");
            // The makers' threads do not hear of it; what they have not committed is made again.
            std::process::exit(STOPPED);
        }
    };
    progress.clear();
    match seeded? {
        Seeded::Now(record, report) => {
            println!("{} orders with seed {}", record.orders, record.seed);
            println!("{report}");
            println!("Search and reports follow by the events, within minutes.");
        }
        Seeded::Before(record) => println!(
            "A demonstration shop of {} orders with seed {} until {} is here already: nothing was changed.",
            record.orders, record.seed, record.end
        ),
        Seeded::NotEmpty => println!("The shop is not empty: nothing was changed."),
    }
    Ok(())
}
