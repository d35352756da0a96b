//! The lines between operators.

use std::{collections::BTreeMap, fmt::Write};

use weir_model::{
    OperatorId,
    graph::{Edge, Graph},
};

use super::{
    Link, Rect,
    grid::{Grid, Role},
    task::Tasks,
};

pub(super) fn links(
    graph: &Graph,
    tasks: &Tasks,
    grid: &Grid,
    lefts: &[f64],
    nodes: &BTreeMap<OperatorId, Rect>,
) -> Vec<Link> {
    let layer_of: BTreeMap<usize, usize> = grid
        .layers
        .iter()
        .flatten()
        .filter_map(|i| {
            if let Role::Frame(task) = i.role {
                Some((task, i.layer))
            } else {
                None
            }
        })
        .collect();
    let layer_width = |layer: usize| grid.layers[layer].iter().map(|i| i.width).fold(0.0, f64::max);
    let link = |(at, edge): (usize, &Edge)| {
        let (from, to) = (nodes.get(&edge.from)?, nodes.get(&edge.to)?);
        let (from_task, to_task) = (tasks.of_operator[&edge.from], tasks.of_operator[&edge.to]);
        if from_task == to_task {
            return Some(chained(at, from, to));
        }
        let mut points = vec![(from.x + from.width, from.center_y())];
        for passed in grid.waypoints(at) {
            let left = lefts[passed.layer];
            points.push((left, passed.center()));
            points.push((left + layer_width(passed.layer), passed.center()));
        }
        points.push((to.x, to.center_y()));
        let frame_end = lefts[layer_of[&from_task]] + layer_width(layer_of[&from_task]);
        let gap_end = *lefts.get(layer_of[&from_task] + 1)?;
        let label = (
            f64::midpoint(frame_end, gap_end),
            f64::midpoint(points[0].1, points[1].1),
        );
        Some(Link {
            edge: at,
            is_chained: false,
            path: curve(&points),
            label,
        })
    };
    graph.edges.iter().enumerate().filter_map(link).collect()
}

fn chained(edge: usize, from: &Rect, to: &Rect) -> Link {
    let (x1, y1) = (from.center_x(), from.y + from.height);
    let (x2, y2) = (to.center_x(), to.y);
    let middle = f64::midpoint(y1, y2);
    Link {
        edge,
        is_chained: true,
        path: format!("M{x1:.1} {y1:.1}C{x1:.1} {middle:.1} {x2:.1} {middle:.1} {x2:.1} {y2:.1}"),
        label: (f64::midpoint(x1, x2), middle),
    }
}

/// A curve through the points that is level at each.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
        let middle = f64::midpoint(x1, x2);
        let _ = write!(path, "C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}");
    }
    path
}
