//! Names and descriptions of operators, in SQL's words.

use arrow_schema::DataType;
use datafusion_expr::Expr;

use crate::{
    logical::{
        match_recognize::Skip,
        window::{Count, Windows},
    },
    settings::emit::Emit,
};
use weir_proto::graph::join::Type;

use crate::physical::{
    Calc, GroupAggregate, Join, Kind, Node, NodeId, Operators, WindowAggregate,
    count_window::CountAggregate,
    format::{duration, format_expr},
    match_recognize::MatchRecognize,
    rank::{Rank, SortColumn},
    source::SourceRead,
    temporal::{LookupJoin, TemporalJoin},
    unnest::Unnest,
};

/// The short name and the description of an operator.
pub(crate) fn describe(operators: &Operators, node: &Node) -> (String, String) {
    let (name, description) = named(operators, node);
    (name, description + &kept(node))
}

/// How long state is kept that nothing touches.
fn kept(node: &Node) -> String {
    let [left, right] = node.state_ttl_ms.map(|ms| match ms {
        0 => "FOR EVER".to_owned(),
        ms => format!("FOR {}", duration(i64::try_from(ms).unwrap_or(i64::MAX))),
    });
    match &node.kind {
        Kind::Join(join) if join.time.is_some() => String::new(),
        Kind::Rank(rank) if rank.window_end.is_some() => String::new(),
        Kind::Join(_) if left != right => format!(", LEFT KEPT {left}, RIGHT {right}"),
        Kind::WindowTable(table) if !table.is_count() => String::new(),
        Kind::Join(_) | Kind::Group(_) | Kind::Rank(_) | Kind::WindowTable(_) | Kind::CountAggregate(_)
            if node.state_ttl_ms[0] > 0 =>
        {
            format!(", KEPT {left}")
        }
        _ => String::new(),
    }
}

fn named(operators: &Operators, node: &Node) -> (String, String) {
    match &node.kind {
        Kind::Source(table, read) => {
            let description = read.as_ref().map(source).unwrap_or_default();
            (format!("Source: {}", table.table.name), description)
        }
        Kind::Calc(calc) => ("Calc".into(), calc_text(calc)),
        Kind::LocalWindow(aggregate) => (
            format!("Local {}", window_name(aggregate.windows)),
            window(aggregate, &column_names(operators, aggregate.input)),
        ),
        Kind::Window(aggregate) => {
            // Columns are those of the rows before the first phase.
            let raw = if aggregate.reads_raw() {
                aggregate.input
            } else {
                operators
                    .get(aggregate.input)
                    .kind
                    .input()
                    .unwrap_or(aggregate.input)
            };
            (
                window_name(aggregate.windows),
                window(aggregate, &column_names(operators, raw)),
            )
        }
        Kind::ProcessingTime(_) => (
            "Processing time".into(),
            "each row with the time at which it passes".into(),
        ),
        Kind::WindowTable(table) if table.is_count() => {
            let keys = per(&table.keys, &column_names(operators, table.input));
            (
                window_name(table.windows),
                format!("each row once per window{keys}"),
            )
        }
        Kind::CountAggregate(aggregate) => (
            window_name(Windows::Count(aggregate.count)),
            count_text(aggregate, &column_names(operators, aggregate.input)),
        ),
        Kind::WindowTable(table) => {
            let time = operators.get(table.input).schema.field(table.time).name();
            (
                window_name(table.windows),
                format!("ON {time}{}: each row once per window", offset(table.windows)),
            )
        }
        Kind::LocalGroup(group) => (
            format!("Local {}", group_name(group)),
            group_text(group, &column_names(operators, group.input)),
        ),
        Kind::Group(group) => {
            let local = operators.get(group.input).kind.input().filter(|_| group.partial);
            let raw = local.unwrap_or(group.input);
            (
                group_name(group).to_owned(),
                group_text(group, &column_names(operators, raw)),
            )
        }
        Kind::Join(join) => (
            match &join.time {
                None => format!("{} join", join_name(join.kind)),
                Some(time) if time.by_window => format!("{} window join", join_name(join.kind)),
                Some(_) => format!("{} interval join", join_name(join.kind)),
            },
            join_text(operators, join),
        ),
        Kind::TemporalJoin(join) => (
            format!("{} temporal join", join_name(join.kind)),
            versions_text(operators, join),
        ),
        Kind::LookupJoin(join) => (
            format!("{} lookup join", join_name(join.kind)),
            lookup_text(operators, join),
        ),
        Kind::SideUnion(inputs) => side_text(operators, inputs),
        Kind::Union(inputs) => ("Union".into(), format!("UNION ALL of {} inputs", inputs.len())),
        Kind::Unnest(unnest) => ("Unnest".into(), unnest_text(operators, unnest)),
        Kind::Rank(rank) => (
            rank_name(rank).into(),
            ranked(rank, &column_names(operators, rank.input)),
        ),
        Kind::Sort(sort) => {
            let order = order_by(&sort.order, &column_names(operators, sort.input));
            (
                "Sort".into(),
                format!("ORDER BY {order}, as the watermark passes"),
            )
        }
        Kind::MatchRecognize(pattern) => (
            "Match".into(),
            pattern_text(pattern, &column_names(operators, pattern.input)),
        ),
        Kind::Over(over) => (
            "Over aggregate".into(),
            super::over::text(over, &column_names(operators, over.input)),
        ),
        Kind::Sink(sink) => {
            let table = &sink.table;
            let columns: Vec<_> = table
                .table
                .schema
                .fields()
                .iter()
                .map(|f| f.name().as_str())
                .collect();
            let text = format!(
                "INSERT INTO {} ({}) [{}]",
                table.table.name,
                columns.join(", "),
                table.table.connector
            );
            (format!("Sink: {}", table.table.name), text)
        }
        Kind::LateRows(_) | Kind::DeadLetters(_) | Kind::LookupTable(_) | Kind::Gone => {
            (String::new(), String::new())
        }
    }
}

/// Of rows by the side: late ones, or dead letters.
fn side_text(operators: &Operators, inputs: &[NodeId]) -> (String, String) {
    let is_dead = |id: &NodeId| {
        let below = operators.get(*id).kind.input();
        below.is_some_and(|below| matches!(operators.get(below).kind, Kind::DeadLetters(_)))
    };
    if inputs.iter().any(is_dead) {
        ("Dead letters".into(), "of all sources that name the table".into())
    } else {
        ("Late rows".into(), "of all operators that drop them".into())
    }
}

fn group_name(group: &GroupAggregate) -> &'static str {
    if group.aggregates.is_empty() {
        "Distinct"
    } else {
        "Group aggregate"
    }
}

fn group_text(group: &GroupAggregate, columns: &[String]) -> String {
    let name = |index: &usize| columns.get(*index).map_or("?", String::as_str);
    let mut parts: Vec<String> = Vec::new();
    if !group.aggregates.is_empty() {
        let calls: Vec<_> = group.aggregates.iter().map(|call| call.text.as_str()).collect();
        parts.push(calls.join(", "));
    }
    if !group.keys.is_empty() {
        let keys: Vec<_> = group.keys.iter().map(name).collect();
        parts.push(format!("BY {}", keys.join(", ")));
    }
    parts.join(" ")
}

fn join_name(kind: Type) -> &'static str {
    match kind {
        Type::Inner => "Inner",
        Type::Left => "Left",
        Type::Right => "Right",
        Type::Full => "Full",
        Type::Semi => "Semi",
        Type::Anti => "Anti",
        Type::Mark => "Mark",
    }
}

fn join_text(operators: &Operators, join: &Join) -> String {
    let names = join.inputs.map(|input| column_names(operators, input));
    let name = |side: usize, key: usize| names[side].get(key).cloned().unwrap_or_default();
    let keys = join.keys[0].iter().zip(&join.keys[1]);
    let mut parts: Vec<_> = keys
        .map(|(left, right)| format!("{} = {}", name(0, *left), name(1, *right)))
        .collect();
    parts.extend(join.condition.iter().map(format_expr));
    if parts.is_empty() {
        "every row with every row".to_owned()
    } else {
        format!("ON {}", parts.join(" AND "))
    }
}

fn unnest_text(operators: &Operators, unnest: &Unnest) -> String {
    let by = operators.get(unnest.input).schema.field(unnest.column);
    let name = by.name();
    match (by.data_type(), unnest.outer) {
        (DataType::Int64, _) => format!("each row as often as {name} says"),
        (_, true) => format!("each row once per element of {name}, or once without elements"),
        (_, false) => format!("each row once per element of {name}"),
    }
}

fn versions_text(operators: &Operators, join: &TemporalJoin) -> String {
    let names = join.inputs.map(|input| column_names(operators, input));
    let name = |side: usize, column: usize| names[side].get(column).map_or("?", String::as_str);
    let keys = join.keys[0].iter().zip(&join.keys[1]);
    let mut parts: Vec<_> = keys
        .map(|(left, right)| format!("{} = {}", name(0, *left), name(1, *right)))
        .collect();
    parts.extend(join.condition.iter().map(format_expr));
    let (time, version) = (name(0, join.times[0]), name(1, join.times[1]));
    format!("ON {}, the last {version} AS OF {time}", parts.join(" AND "))
}

fn lookup_text(operators: &Operators, join: &LookupJoin) -> String {
    let names = column_names(operators, join.input);
    let table = &join.table.table;
    let mut parts: Vec<_> = join
        .keys
        .iter()
        .map(|(of_table, of_input)| {
            format!("{} = {}", table.schema.field(*of_table).name(), names[*of_input])
        })
        .collect();
    parts.extend(join.condition.iter().map(format_expr));
    format!(
        "IN {} [{}] ON {}",
        table.name,
        table.connector,
        parts.join(" AND ")
    )
}

fn rank_name(rank: &Rank) -> &'static str {
    if rank.upserts {
        return "Normalize changes";
    }
    match (
        rank.updates_in_place || rank.range.limit == 1,
        rank.order.is_empty(),
    ) {
        (true, false) => "Deduplicate",
        (_, true) => "Limit",
        _ => "Top-N",
    }
}

fn ranked(rank: &Rank, columns: &[String]) -> String {
    let mut parts = vec![match rank.range.offset {
        _ if rank.upserts => "THE LAST ROW".to_owned(),
        0 => format!("THE FIRST {}", rank.range.limit),
        offset => format!("ROWS {} TO {}", offset + 1, rank.range.limit),
    }];
    if !rank.order.is_empty() {
        parts.push(format!("ORDER BY {}", order_by(&rank.order, columns)));
    }
    if !rank.keys.is_empty() {
        let keys: Vec<_> = rank.keys.iter().map(|key| columns[*key].as_str()).collect();
        parts.push(format!("PER {}", keys.join(", ")));
    }
    if rank.numbered {
        parts.push("WITH THE RANK".into());
    }
    parts.join(" ")
}

pub(super) fn order_by(order: &[SortColumn], columns: &[String]) -> String {
    let items = order.iter().map(|by| {
        let direction = if by.descending { " DESC" } else { "" };
        let nulls = match (by.descending, by.nulls_first) {
            (true, true) => " NULLS FIRST",
            (false, false) => " NULLS LAST",
            _ => "",
        };
        format!("{}{direction}{nulls}", columns[by.column])
    });
    items.collect::<Vec<_>>().join(", ")
}

fn pattern_text(pattern: &MatchRecognize, columns: &[String]) -> String {
    let mut parts = vec![format!("PATTERN ({})", pattern.pattern)];
    parts.extend(pattern.within_ms.map(|ms| format!("WITHIN {}", duration(ms))));
    if !pattern.keys.is_empty() {
        let keys: Vec<_> = pattern.keys.iter().map(|key| columns[*key].as_str()).collect();
        parts.push(format!("PER {}", keys.join(", ")));
    }
    let skip = match pattern.skip {
        Skip::PastLastRow => "PAST LAST ROW".to_owned(),
        Skip::ToNextRow => "TO NEXT ROW".to_owned(),
        Skip::ToFirst(variable) => format!("TO FIRST {}", pattern.variables[variable].name),
        Skip::ToLast(variable) => format!("TO LAST {}", pattern.variables[variable].name),
    };
    parts.push(format!("AFTER MATCH SKIP {skip}"));
    parts.join(" ")
}

fn column_names(operators: &Operators, id: usize) -> Vec<String> {
    operators
        .get(id)
        .schema
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect()
}

fn source(read: &SourceRead) -> String {
    let mut parts = vec![format!(
        "SELECT {}",
        select_list(&read.projection[..read.emitted])
    )];
    if let Some(filter) = &read.filter {
        parts.push(format!("WHERE {}", format_expr(&shown(filter, read))));
    }
    if let Some((time, watermark)) = &read.watermark {
        let time = &read.projection[*time].0;
        parts.push(format!("WATERMARK FOR {time} AS {}", format_expr(watermark)));
    }
    parts.join(" ")
}

/// The filter with hidden columns as what they are.
fn shown(filter: &Expr, read: &SourceRead) -> Expr {
    use datafusion_common::tree_node::{Transformed, TreeNode};
    let hidden = &read.projection[read.emitted..];
    let replaced = filter.clone().transform_up(|e| match &e {
        Expr::Column(column) => Ok(match hidden.iter().find(|(name, _)| *name == column.name) {
            Some((_, expr)) => Transformed::yes(expr.clone()),
            None => Transformed::no(e),
        }),
        _ => Ok(Transformed::no(e)),
    });
    replaced.map_or_else(|_| filter.clone(), |t| t.data)
}

fn calc_text(calc: &Calc) -> String {
    let select = format!("SELECT {}", select_list(&calc.columns));
    match &calc.filter {
        Some(filter) => format!("{select} WHERE {}", format_expr(filter)),
        None => select,
    }
}

fn select_list(columns: &[(String, Expr)]) -> String {
    let items = columns.iter().map(|(name, expr)| {
        let text = format_expr(expr);
        if text == *name {
            text
        } else {
            format!("{text} AS {name}")
        }
    });
    items.collect::<Vec<_>>().join(", ")
}

fn count_text(aggregate: &CountAggregate, columns: &[String]) -> String {
    let calls: Vec<_> = aggregate
        .aggregates
        .iter()
        .map(|call| call.text.as_str())
        .collect();
    calls.join(", ") + &per(&aggregate.keys, columns)
}

/// ` PER a, b`
fn per(keys: &[usize], columns: &[String]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let keys: Vec<_> = keys.iter().map(|key| columns[*key].as_str()).collect();
    format!(" PER {}", keys.join(", "))
}

fn window_name(windows: Windows) -> String {
    match windows {
        Windows::Tumble(tumble) => format!("TUMBLE {}", duration(tumble.size_ms)),
        Windows::Hop(hop) => format!("HOP {} / {}", duration(hop.slide_ms), duration(hop.size_ms)),
        Windows::Cumulate(cumulate) => format!(
            "CUMULATE {} / {}",
            duration(cumulate.step_ms),
            duration(cumulate.max_size_ms)
        ),
        Windows::Session(session) => format!("SESSION {}", duration(session.gap_ms)),
        Windows::Count(Count { size, slide }) if size == slide => format!("COUNT_TUMBLE {size}"),
        Windows::Count(Count { size, slide }) => format!("COUNT_HOP {slide} / {size}"),
    }
}

fn offset(windows: Windows) -> String {
    let ms = match windows {
        Windows::Tumble(tumble) => tumble.offset_ms,
        Windows::Hop(hop) => hop.offset_ms,
        Windows::Cumulate(cumulate) => cumulate.offset_ms,
        Windows::Session(_) | Windows::Count(_) => 0,
    };
    match ms {
        0 => String::new(),
        ms => format!(" OFFSET {}", duration(ms)),
    }
}

fn window(aggregate: &WindowAggregate, columns: &[String]) -> String {
    let name = |index: usize| columns.get(index).map_or("?", String::as_str);
    let offset = offset(aggregate.windows);
    let calls: Vec<_> = aggregate
        .aggregates
        .iter()
        .map(|call| call.text.as_str())
        .collect();
    let keys: Vec<_> = aggregate.keys.iter().map(|key| name(*key)).collect();
    let mut parts = vec![format!("ON {}{offset}:", name(aggregate.time))];
    if !calls.is_empty() {
        parts.push(calls.join(", "));
    }
    if !keys.is_empty() {
        parts.push(format!("BY {}", keys.join(", ")));
    }
    parts.extend(aggregate.emit.map(emit));
    parts.join(" ")
}

fn emit(emit: Emit) -> String {
    let ms = |ms: u64| duration(i64::try_from(ms).unwrap_or(i64::MAX));
    let each = |delay: u64| match delay {
        0 => "EACH BATCH".to_owned(),
        delay => format!("EACH {}", ms(delay)),
    };
    let mut parts: Vec<String> = Vec::new();
    parts.extend(emit.early_ms.map(|delay| format!("EARLY {}", each(delay))));
    if emit.lateness_ms > 0 {
        parts.push(format!(
            "LATE {} UP TO {}",
            each(emit.late_ms),
            ms(emit.lateness_ms)
        ));
    }
    format!("EMIT {}", parts.join(", "))
}
