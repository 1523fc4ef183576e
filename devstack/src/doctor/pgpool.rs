//! Pgpool-II: whether what it believes of the nodes is true, and whether it has room for clients.

use super::{Context, Finding, Mend, context::shell};
use crate::{
    error::{Result, StackError},
    servers::{
        pgpool::{self, CONTROL_USER},
        postgres::{self, server_name},
    },
};

/// Of all clients that it can have.
const BUSY_PERCENT: usize = 80;

pub(super) async fn stale(context: &Context) -> Result<Finding> {
    context.require("pgpool")?;
    let stack = context.stack()?;
    let down = pgpool::nodes_down(stack).await?;
    let in_order = postgres::in_order(stack).await;
    let stale = down.iter().copied().find(|index| in_order.contains(index));
    let Some(index) = stale else {
        let well = format!("{} of {} nodes attached", postgres::NODES - down.len(), postgres::NODES);
        return Ok(if down.is_empty() {
            Finding::well(well)
        } else {
            Finding::skipped(format!("{well}; the others are not in order themselves"))
        });
    };
    let passwords = context.folders.server("pgpool").join("pcp.pass");
    Ok(Finding::failure(
        format!("{} is down for Pgpool-II, and in order for PostgreSQL", server_name(index)),
        "pgpool_status remembers a node that was detached once, and never attaches it by itself",
        Mend::command(format!(
            "PCPPASSFILE={} pcp_attach_node -w -h 127.0.0.1 -p {} -U {CONTROL_USER} -n {index}",
            shell(&passwords),
            context.ports.pgpool_pcp
        )),
    ))
}

pub(super) async fn room(context: &Context) -> Result<Finding> {
    context.require("pgpool")?;
    // One more than that is refused.
    let all = usize::from(pgpool::children(context.kind)) - 1;
    let cause = "each process of ours holds its pools; more clients than children are refused";
    let mend = || {
        let most =
            "SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 2 DESC LIMIT 9";
        Mend::action(format!(
            "end clients that are not needed; this counts them: {}",
            context.psql(0, "postgres", &[most])
        ))
    };
    let session = match pgpool::connect(context.stack()?).await {
        Ok(session) => session,
        Err(StackError::Postgres(error)) if is_full(&error) => {
            return Ok(Finding::failure(
                format!("{all} of {all} clients, and one more was refused"),
                cause,
                mend(),
            ));
        }
        Err(error) => return Err(error),
    };
    let answers = session.simple_query("SHOW POOL_PROCESSES").await?;
    let in_use = |answer: &tokio_postgres::SimpleQueryMessage| match answer {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            row.get("status").is_some_and(|status| !status.starts_with("Wait"))
        }
        _ => false,
    };
    // This question is one of them.
    let used = answers.iter().filter(|answer| in_use(answer)).count().saturating_sub(1);
    let seen = format!("{used} of {all} clients");
    if used * 100 > all * BUSY_PERCENT {
        return Ok(Finding::warning(seen, cause, mend()));
    }
    Ok(Finding::well(seen))
}

fn is_full(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| error.message().contains("too many clients"))
}
